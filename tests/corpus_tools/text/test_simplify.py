"""The simplified copy: as long as the text, with the words where they are in it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from odd_texts import ODD, SENTENCES

from corpus_tools.errors import SettingsError
from corpus_tools.segment import build_segmenter, word_starts
from corpus_tools.text.batch import TextBatch
from corpus_tools.text.simplify import Simplifier

TRADITIONAL = ["我在臺灣大學唸書，你還記得嗎？", "憂鬱的烏龜在後臺。", "乾隆皇帝與乾燥的頭髮", "「瞭解」：裏面\n為什麼"]


@pytest.fixture(scope="module")
def simplifier():
    return Simplifier()


def words(text, starts):
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("臺灣大學", ["臺", "灣大學"], ["臺灣大學"]),
        ("你還記得", ["你", "還記", "得"], ["你", "還", "記得"]),
        ("後臺與皇后", ["後", "臺", "與", "皇后"], ["後臺", "與", "皇后"]),
    ],
)
def test_words_of_the_copy_are_words_of_the_text(simplifier, text, before, after):
    jieba = build_segmenter({"name": "jieba"})
    assert words(text, word_starts(jieba, text)) == before
    assert words(text, word_starts(jieba, simplifier.text(text)[0])) == after


def test_phrases_decide_and_not_the_characters_alone(simplifier):
    assert simplifier.text("乾隆皇帝與乾燥的頭髮") == ("乾隆皇帝与干燥的头发", 0)


@pytest.mark.parametrize("text", TRADITIONAL + ODD + SENTENCES)
def test_a_copy_is_as_long_as_its_text_and_has_its_own_copy(simplifier, text):
    copy, n_singly = simplifier.text(text)
    assert (len(copy), n_singly) == (len(text), 0)
    assert simplifier.text(copy)[0] == copy


def test_every_character_has_a_copy_of_one(simplifier):
    for first in range(0, 0x110000, 0x1000):
        text = "".join(chr(code) for code in range(first, first + 0x1000) if not 0xD800 <= code < 0xE000)
        copy, n_singly = simplifier.text(text)
        assert (len(copy), n_singly) == (len(text), 0)


def test_a_character_stays_where_jieba_would_not_know_its_simplified_form(simplifier):
    assert simplifier.text("鄟")[0] == "鄟"


def test_a_batch_keeps_its_places(simplifier):
    batch = TextBatch.of(["臺灣", "", "𠮷"])
    copy, n_singly = simplifier.batch(batch)
    assert list(copy.texts) == ["台湾", "", "𠮷"]
    assert "".join(map(chr, copy.codes.tolist())) == "台湾𠮷"
    np.testing.assert_array_equal(copy.bounds, batch.bounds)
    assert n_singly == 0
    assert simplifier.batch(TextBatch.of([]))[0].codes.size == 0


class Lengthening:
    """An OpenCC with entries that change the length."""

    def convert(self, text):
        return text.replace("隨身碟", "U盤").replace("噸", "公吨").replace("臺", "台")


def test_a_line_whose_length_would_change_is_copied_character_by_character(simplifier, monkeypatch):
    monkeypatch.setattr(simplifier, "_opencc", Lengthening())
    assert simplifier.text("臺灣\n臺北的隨身碟\n") == ("台灣\n台北的隨身碟\n", 6)
    assert simplifier.text("臺北\n一噸") == ("台北\n一噸", 2)


def test_without_opencc_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(SettingsError, match=r"pip install 'cn-bert\[zh\]'"):
        Simplifier()
