"""The other segmenters, and building one by name."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_tools.errors import DataError, SettingsError
from corpus_tools.schema import Document
from corpus_tools.segment import SEGMENTERS, build_segmenter, word_starts
from corpus_tools.text.batch import TextBatch


def words(segmenter, text):
    starts = word_starts(segmenter, text)
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the user's that segments."""
    (tmp_path / "my_words.py").write_text(
        "def halves(text):\n    return [text[: len(text) // 2], '', text[len(text) // 2 :]]\n\n"
        "def stripped(text):\n    return text.split()\n\n"
        "def joined(text):\n    return text\n\n"
        "def buggy(text):\n    return 1 // 0\n\n"
        "NAME = 'no function'\n",
        "utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "my_words.py"
    sys.modules.pop("my_words", None)


@pytest.fixture(scope="module", params=["jieba", "jieba_itself", "presegmented", "chars"])
def segmenter(request):
    return build_segmenter({"name": request.param})


@given(text=st.text(st.characters(codec="utf-8") | st.sampled_from("的中国人a1 \u3000\r\n。"), min_size=1, max_size=60))
def test_words_of_any_text_are_not_empty_and_join_to_it(segmenter, text):
    found = words(segmenter, text)
    assert "".join(found) == text
    assert "" not in found


def test_presegmented_words_are_the_runs_between_spaces():
    segmenter = build_segmenter({"name": "presegmented"})
    assert words(segmenter, " 研究  生命\u3000的\n起源") == [" ", "研究", "  ", "生命", "\u3000", "的", "\n", "起源"]
    assert word_starts(segmenter, "") == []


def test_chars_start_a_word_at_every_character():
    assert words(build_segmenter({"name": "chars"}), "a𠮷 b") == ["a", "𠮷", " ", "b"]


def test_a_function_of_the_users_segments(module):
    segmenter = build_segmenter({"name": "by_function", "function": "my_words:halves"})
    assert words(segmenter, "研究生命") == ["研究", "生命"]
    assert word_starts(segmenter, "") == []


def test_words_that_do_not_make_up_the_text_are_refused_with_the_place(module):
    segmenter = build_segmenter({"name": "by_function", "function": "my_words:stripped"})
    with pytest.raises(DataError, match=r"my_words:stripped.* At character 2 the text has ' 生命'"):
        word_starts(segmenter, "研究 生命")


def test_a_function_that_returns_no_list_is_refused(module):
    segmenter = build_segmenter({"name": "by_function", "function": "my_words:joined"})
    with pytest.raises(DataError, match="no list of strings"):
        word_starts(segmenter, "研究")


@pytest.mark.parametrize(("name", "said"), [("stripped", "do not make up"), ("joined", "no list of strings")])
def test_the_document_that_a_function_got_wrong_is_named(module, name, said):
    segmenter = build_segmenter({"name": "by_function", "function": f"my_words:{name}"})
    documents = [Document("news.txt:1", "", ""), Document("news.txt:3", "", "研究 生命")]
    batch = TextBatch.of([document.text for document in documents], documents)
    with pytest.raises(DataError, match=rf"segmenter my_words:{name}, document news\.txt:\d: .*{said}"):
        segmenter.mark(batch, np.zeros(len(batch.codes), np.uint8))


def test_a_bug_in_a_function_is_told_with_the_document(module):
    segmenter = build_segmenter({"name": "by_function", "function": "my_words:buggy"})
    batch = TextBatch.of(["研究"], [Document("news.txt:1", "", "研究")])
    with pytest.raises(ZeroDivisionError) as caught:
        segmenter.mark(batch, np.zeros(2, np.uint8))
    assert caught.value.__notes__ == ["This was segmenter my_words:buggy, document news.txt:1."]


@pytest.mark.parametrize("place", ["my_words", "my_words:", "my_words:missing", "my_words:NAME", "not_there:f"])
def test_a_function_that_is_not_there_is_refused(module, place):
    with pytest.raises(SettingsError, match="segmenter: "):
        build_segmenter({"name": "by_function", "function": place})


def test_the_fingerprint_of_a_function_follows_its_modules_text(module):
    settings = {"name": "by_function", "function": "my_words:halves"}
    before = build_segmenter(settings).fingerprint
    module.write_text(module.read_text("utf-8") + "\n# changed\n", "utf-8")
    assert build_segmenter(settings).fingerprint != before


def test_an_unknown_segmenter_is_refused_with_the_near_one():
    with pytest.raises(SettingsError, match="Did you mean 'jieba'"):
        build_segmenter({"name": "jeiba"})
    with pytest.raises(SettingsError, match="no such setting"):
        build_segmenter({"name": "chars", "dictionaries": []})
    assert set(SEGMENTERS) == {"jieba", "jieba_itself", "presegmented", "chars", "by_function"}
