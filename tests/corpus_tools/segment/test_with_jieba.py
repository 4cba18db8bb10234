"""jieba's words as offsets: those of `jieba.tokenize` on the whole text, whatever the text."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import pytest

from corpus_tools.errors import DataError
from corpus_tools.segment import build_segmenter
from corpus_tools.segment.with_jieba import LONGEST_RUN, JiebaSegmenter

TEXTS = [
    "",
    "\n",
    "研究生命的起源，他是研究生。",
    "小明硕士毕业于中国科学院计算所，后在日本京都大学深造",
    "第一行\r\n第二行\n\n第三行\r第四行\n",
    "　２０００年ＡＢＣ，3.14%的C++和AT&T，B超、T恤\t制表 a-b_c.d#e",
    "𠮷野家和〇五年，鿕鿖丽龥",
    "👨‍👩‍👧‍👦和🇨🇳，é è ñ Ångström привет こんにちは 한국어",
    "空\x00字节\x0b垂直\x0c换页\x1c\x85下一行\u2028行\u2029段\u200b零宽\ufeff",
    "他来到了网易杭研大厦。永和服装饰品有限公司" * 20,
    "中华人民共和国" * 30,
    "https://www.example.com/a?b=1&c=2 user@example.com",
    "\r\n\r\n \n\r\r\n",
    "的" * 3000,
    "".join(map(chr, range(0x4E00, 0x4E00 + LONGEST_RUN))),
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """jieba as its README uses it, with its cache in a folder of its own."""
    import jieba

    jieba.setLogLevel(logging.ERROR)
    tokenizer = jieba.Tokenizer()
    tokenizer.tmp_dir = str(tmp_path_factory.mktemp("jieba"))
    tokenizer.initialize()
    return tokenizer


@pytest.fixture(scope="module")
def segmenter():
    return build_segmenter({"name": "jieba"})


def starts_by_jieba(tokenizer, text):
    return [start for _, start, _ in tokenizer.tokenize(text)]


def words(segmenter, text):
    [starts] = segmenter.starts([text])
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_words_start_where_jieba_starts_them(segmenter, reference, text):
    [starts] = segmenter.starts([text])
    assert starts.dtype == np.int64
    assert starts.tolist() == starts_by_jieba(reference, text)


@pytest.mark.parametrize("number", range(20))
def test_words_of_random_text_start_where_jieba_starts_them(segmenter, reference, number):
    draw = np.random.default_rng(number)
    pieces = [
        *"的一是在不了有和人这中大为上个国我以要他𠮷〇Aa1２.%-+#&_，。 　\t\r\n\0",
        "北京",
        "大学生",
        "\r\n",
        "3.5",
    ]
    text = "".join(draw.choice(pieces, size=600))
    [starts] = segmenter.starts([text])
    assert starts.tolist() == starts_by_jieba(reference, text)


def test_the_batch_does_not_enter_into_the_words(segmenter):
    together = segmenter.starts(TEXTS)
    for text, starts in zip(TEXTS, together, strict=True):
        np.testing.assert_array_equal(starts, segmenter.starts([text])[0])


@pytest.mark.parametrize(
    "text", ["的" * 5000, "研究生命起源" * 900, "3.14%和" + "Ab1" * 100 + "的" * 5000 + "，" + "中国" * 2300]
)
def test_long_runs_are_cut_counted_and_covered(reference, text):
    segmenter = JiebaSegmenter()
    [starts] = segmenter.starts([f"前文，{text}。后文\n下一行"])
    assert segmenter.long_runs_cut == (2 if "，" in text else 1)
    assert starts.tolist() == starts_by_jieba(reference, f"前文，{text}。后文\n下一行")


def test_a_word_longer_than_the_longest_run_is_cut(segmenter):
    assert [len(word) for word in words(segmenter, "a" * (2 * LONGEST_RUN + 5))] == [LONGEST_RUN, LONGEST_RUN, 5]


def test_user_dictionaries_change_the_words_as_in_jieba(tmp_path, reference, monkeypatch):
    first, second = tmp_path / "1.txt", tmp_path / "2.txt"
    first.write_text("石墨烯飞船 5 nz\n云计算平台\n杭研 0\n", "utf-8")
    second.write_text("\ufeff云计算平台的 \n中华大地 0 ns\nC·罗 3\n", "utf-8")
    text = "石墨烯飞船和云计算平台的中华大地，网易杭研大厦里有C·罗"
    segmenter = JiebaSegmenter(dictionaries=[str(first), str(second)])

    monkeypatch.setattr("jieba.finalseg.Force_Split_Words", set())
    twin = type(reference)()
    twin.FREQ, twin.total, twin.initialized = dict(reference.FREQ), reference.total, True
    for path in (first, second):
        twin.load_userdict(str(path))
    [starts] = segmenter.starts([text])
    assert starts.tolist() == starts_by_jieba(twin, text)
    assert {"石墨烯飞船", "云计算平台的", "杭"} < set(words(segmenter, text))


def test_the_fingerprint_follows_the_dictionaries_and_their_order(tmp_path, segmenter):
    paths = []
    for word in ("石墨烯飞船", "云计算平台"):
        paths.append(tmp_path / f"{word}.txt")
        paths[-1].write_text(word, "utf-8")
    made = [JiebaSegmenter(dictionaries=order) for order in (paths, paths[::-1])]
    assert len({segmenter.fingerprint, *(other.fingerprint for other in made)}) == 3
    assert JiebaSegmenter().fingerprint == segmenter.fingerprint


def test_a_forbidden_word_of_one_segmenter_is_not_forbidden_in_another(tmp_path, segmenter):
    path = tmp_path / "user.txt"
    path.write_text("杭研 0\n", "utf-8")
    text = "他来到了网易杭研大厦"
    assert words(JiebaSegmenter(dictionaries=[str(path)]), text)[-3:] == ["杭", "研", "大厦"]
    assert words(segmenter, text)[-2:] == ["杭研", "大厦"]


def test_a_bad_line_of_a_user_dictionary_is_named(tmp_path):
    (tmp_path / "user.txt").write_text("云计算\t5\n", "utf-8")
    with pytest.raises(DataError, match=r"user\.txt:1"):
        build_segmenter({"name": "jieba", "dictionaries": [str(tmp_path / "user.txt")]})


def test_a_planted_cache_is_not_read_and_none_is_written(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    planted = tmp_path / "jieba.cache"
    planted.write_bytes(b"planted")
    assert words(JiebaSegmenter(), "研究生命的起源") == ["研究", "生命", "的", "起源"]
    assert planted.read_bytes() == b"planted"
    assert list(Path(tmp_path).iterdir()) == [planted]
    assert capfd.readouterr() == ("", "")
