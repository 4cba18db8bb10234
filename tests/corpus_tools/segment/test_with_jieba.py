"""jieba's words as offsets: those of `jieba.tokenize` on the whole text, whatever the text."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_tools.errors import DataError, SettingsError
from corpus_tools.segment import build_segmenter, word_starts
from corpus_tools.segment.jieba_itself import LONGEST_RUN, JiebaItself
from corpus_tools.segment.with_jieba import JiebaSegmenter
from corpus_tools.text.batch import TextBatch

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


@pytest.fixture(scope="module", params=["jieba", "jieba_itself"])
def segmenter(request):
    return build_segmenter({"name": request.param})


@pytest.fixture(scope="module")
def compiled():
    return JiebaSegmenter()


def starts_by_jieba(tokenizer, text, hmm=True):
    return [start for _, start, _ in tokenizer.tokenize(text, HMM=hmm)]


def words(segmenter, text):
    starts = word_starts(segmenter, text)
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_words_start_where_jieba_starts_them(segmenter, reference, text):
    assert word_starts(segmenter, text) == starts_by_jieba(reference, text)


PIECES = [
    *"的一是在不了有和人这中大为上个国我以要他𠮷〇Aa1２.%-+#&_，。 　\t\r\n\0",
    "北京",
    "大学生",
    "\r\n",
    "3.5",
]


@pytest.mark.parametrize("number", range(20))
def test_words_of_random_text_start_where_jieba_starts_them(segmenter, reference, number):
    text = "".join(np.random.default_rng(number).choice(PIECES, size=600))
    assert word_starts(segmenter, text) == starts_by_jieba(reference, text)


@given(text=st.lists(st.sampled_from([*PIECES, "研究生命"]) | st.text(max_size=3), max_size=30).map("".join))
def test_words_of_any_text_start_where_jieba_starts_them(compiled, reference, text):
    assert word_starts(compiled, text) == starts_by_jieba(reference, text)


@pytest.mark.parametrize("number", range(30))
def test_words_of_random_characters_start_where_jieba_starts_them(compiled, reference, number):
    # Most of these have no emission in the model, or only some: sums are equal, and the order of ties decides.
    draw = np.random.default_rng(number)
    text = "".join(map(chr, draw.integers(0x4E00, 0x9FD8, 400)))
    assert word_starts(compiled, text) == starts_by_jieba(reference, text)


@pytest.mark.parametrize("number", range(10))
def test_words_without_the_model_start_where_jieba_starts_them(reference, number):
    text = "".join(np.random.default_rng(number).choice(PIECES, size=600))
    for made in (JiebaSegmenter(hmm=False), JiebaItself(hmm=False)):
        assert word_starts(made, text) == starts_by_jieba(reference, text, hmm=False)


def test_the_batch_does_not_enter_into_the_words(segmenter):
    texts = [*TEXTS, "中\r", "\n国", "北", "京", "3.", "5"]
    batch = TextBatch.of(texts)
    marks = np.zeros(len(batch.codes), np.uint8)
    segmenter.mark(batch, marks)
    for text, start, end in zip(texts, batch.bounds, batch.bounds[1:], strict=False):
        assert np.flatnonzero(marks[start:end]).tolist() == word_starts(segmenter, text)


def test_other_marks_stay_as_they_are(segmenter):
    marks = np.full(4, 32, np.uint8)
    segmenter.mark(TextBatch.of(["研究生命"]), marks)
    assert marks.tolist() == [33, 32, 33, 32]


LONG = ["的" * 5000, "研究生命起源" * 900, "3.14%和" + "Ab1" * 100 + "的" * 5000 + "，" + "中国" * 2300]


@pytest.mark.parametrize("text", LONG, ids=range(3))
def test_long_runs_give_jiebas_words(compiled, reference, text):
    assert word_starts(compiled, text) == starts_by_jieba(reference, text)


@pytest.mark.parametrize("text", LONG, ids=range(3))
def test_jieba_itself_gets_long_runs_in_pieces_that_are_counted(reference, text):
    made = JiebaItself()
    assert word_starts(made, f"前文，{text}。后文\n下一行") == starts_by_jieba(reference, f"前文，{text}。后文\n下一行")
    assert made.long_runs_cut == (2 if "，" in text else 1)
    assert [len(word) for word in words(made, "a" * (2 * LONGEST_RUN + 5))] == [LONGEST_RUN, LONGEST_RUN, 5]


def test_user_dictionaries_change_the_words_as_in_jieba(tmp_path, reference, monkeypatch):
    first, second = tmp_path / "1.txt", tmp_path / "2.txt"
    first.write_text("石墨烯飞船 5 nz\n云计算平台\n杭研 0\n", "utf-8")
    second.write_text("\ufeff云计算平台的 \n中华大地 0 ns\nC·罗 3\n", "utf-8")
    text = "石墨烯飞船和云计算平台的中华大地，网易杭研大厦里有C·罗"
    monkeypatch.setattr("jieba.finalseg.Force_Split_Words", set())
    twin = type(reference)()
    twin.FREQ, twin.total, twin.initialized = dict(reference.FREQ), reference.total, True
    for path in (first, second):
        twin.load_userdict(str(path))
    for made in (JiebaSegmenter, JiebaItself):
        segmenter = made(dictionaries=[str(first), str(second)])
        assert word_starts(segmenter, text) == starts_by_jieba(twin, text)
        assert {"石墨烯飞船", "云计算平台的", "杭"} < set(words(segmenter, text))


@pytest.mark.parametrize("number", range(20))
def test_words_follow_whatever_was_done_to_a_tokenizer(reference, monkeypatch, number):
    monkeypatch.setattr("jieba.finalseg.Force_Split_Words", set())
    draw = np.random.default_rng(number)
    tokenizer = type(reference)()
    tokenizer.FREQ, tokenizer.total, tokenizer.initialized = dict(reference.FREQ), reference.total, True
    text = "".join(draw.choice([*PIECES, "网易杭研大厦", "王军虎", "台中", "如果放到旧字典中将出错"], size=200))
    for _ in range(30):
        start = int(draw.integers(0, len(text) - 6))
        word = text[start : start + int(draw.integers(1, 6))]
        match draw.integers(0, 5):
            case 0:
                tokenizer.add_word(word)
            case 1:
                tokenizer.add_word(word, int(draw.integers(0, 10**6)), "nz")
            case 2:
                tokenizer.del_word(word)
            case 3:
                tokenizer.suggest_freq(word, tune=True)
            case 4:
                tokenizer.suggest_freq(tuple(word), tune=True)
    for hmm in (True, False):
        made = JiebaSegmenter(tokenizer=tokenizer, hmm=hmm)
        assert word_starts(made, text) == starts_by_jieba(tokenizer, text, hmm)


def test_a_tokenizer_is_taken_over_as_it_is_and_named_by_what_is_in_it(reference):
    made = JiebaSegmenter(tokenizer=reference)
    assert words(made, "研究生命的起源") == ["研究", "生命", "的", "起源"]
    assert made.fingerprint == JiebaSegmenter(tokenizer=reference).fingerprint
    assert made.fingerprint != JiebaSegmenter(tokenizer=reference, hmm=False).fingerprint
    with pytest.raises(SettingsError, match="load_userdict"):
        JiebaSegmenter(["a.txt"], tokenizer=reference)


@pytest.mark.slow
@pytest.mark.parametrize("plane", range(0x30))
def test_every_code_point_among_others(compiled, reference, plane):
    draw = np.random.default_rng(plane)
    codes = [code for code in range(plane << 12, plane + 1 << 12) if not 0xD800 <= code < 0xE000]
    text = "".join(f"{chr(code)}{draw.choice(PIECES)}" for code in codes)
    assert word_starts(compiled, text) == starts_by_jieba(reference, text)


def test_the_fingerprint_follows_the_dictionaries_and_their_order(tmp_path, compiled):
    paths = []
    for word in ("石墨烯飞船", "云计算平台"):
        paths.append(tmp_path / f"{word}.txt")
        paths[-1].write_text(word, "utf-8")
    made = [JiebaSegmenter(dictionaries=order) for order in (paths, paths[::-1])]
    assert (
        len({compiled.fingerprint, JiebaSegmenter(hmm=False).fingerprint, *(other.fingerprint for other in made)}) == 4
    )
    assert JiebaSegmenter().fingerprint == compiled.fingerprint


def test_a_forbidden_word_of_one_segmenter_is_not_forbidden_in_another(tmp_path, segmenter):
    path = tmp_path / "user.txt"
    path.write_text("杭研 0\n", "utf-8")
    text = "他来到了网易杭研大厦"
    assert words(type(segmenter)(dictionaries=[str(path)]), text)[-3:] == ["杭", "研", "大厦"]
    assert words(segmenter, text)[-2:] == ["杭研", "大厦"]


def test_a_bad_line_of_a_user_dictionary_is_named(tmp_path):
    (tmp_path / "user.txt").write_text("云计算\t5\n", "utf-8")
    with pytest.raises(DataError, match=r"user\.txt:1"):
        build_segmenter({"name": "jieba", "dictionaries": [str(tmp_path / "user.txt")]})


def test_a_planted_cache_is_not_read_and_none_is_written(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    planted = tmp_path / "jieba.cache"
    planted.write_bytes(b"planted")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))  # nothing is kept there yet
    for made in (JiebaSegmenter, JiebaItself):
        assert words(made(), "研究生命的起源") == ["研究", "生命", "的", "起源"]
    assert planted.read_bytes() == b"planted"
    assert sorted(Path(tmp_path).iterdir()) == [planted, tmp_path / "own"]
    assert capfd.readouterr() == ("", "")
