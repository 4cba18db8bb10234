"""User dictionaries and lists as people have them: jieba's own words come of them, or an error that names the line."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pytest

from corpus_tools.cli import main
from corpus_tools.jieba_dictionary import jieba_dictionary_path
from corpus_tools.segment import word_starts
from corpus_tools.segment.with_jieba import JiebaSegmenter
from corpus_tools.spans import Lexicon
from corpus_tools.text.batch import TextBatch

TEXT = "研究生命的起源，他用C++和a.*b写（北京）上海。New York的Edu Trust认证，" + "研" * 300 + "5年Ab"


BASE = "研究 3000 vn\n研究生 200 n\n生命 1000 n\n的 90000 uj\n起源 300 n\n北京 800 ns\n上海 700 ns\n他 9000 r\n"


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A dictionary of eight words in place of jieba's own, which takes seconds, and a cache to itself."""
    path = tmp_path / "base.txt"
    path.write_text(BASE, "utf-8")
    monkeypatch.setattr("corpus_tools.segment.loaded_jieba.jieba_dictionary_path", lambda: path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


@pytest.fixture
def starts_by_jieba(monkeypatch):
    """Where jieba starts words, with its dictionary and the user's loaded as its README says."""
    import jieba

    jieba.setLogLevel(logging.ERROR)
    monkeypatch.setattr("jieba.finalseg.Force_Split_Words", set())

    def starts(text, base, *dictionaries):
        made = jieba.Tokenizer()
        with open(base, "rb") as file:
            made.FREQ, made.total = made.gen_pfdict(file)
        made.initialized = True
        for path in dictionaries:
            made.load_userdict(str(path))
        return [start for _, start, _ in made.tokenize(text)]

    return starts


DICTIONARIES = {
    "with a byte order mark": "\ufeff研究生命 9 n\n",
    "with line ends of Windows": "研究生命 9 n\r\n北京（上海 3\r\n",
    "without a last line end": "研究生命",
    "with a word twice": "研究生命 9 n\n研究生命 3 ns\n生命的起源\n生命的起源 100000\n",
    "with words of one character": "研 100000 n\n究\n的 1\n",
    "with a word of 200 characters": "研" * 200 + "\n",
    "with a space inside a word": "Edu Trust认证 2000 nz\nNew York 9\n",
    "with the highest frequency": "研究生命 " + "9" * 18 + "\n",
    "with the frequency 0": "研究 0\n起源 0 n\n",
    "with signs of regular expressions": "C++ 9\na.*b 9\n（北京）|上海 9\n[的] 9\n\\d+ 9\n5?年 9\n^研$ 9\n",
    "with lone numbers and tags": "5 n\n5年 5\nAb ab\n",
}


@pytest.mark.parametrize("name", DICTIONARIES)
def test_a_dictionary_gives_jiebas_own_words(tmp_path, base, starts_by_jieba, name):
    path = tmp_path / "user.txt"
    path.write_bytes(DICTIONARIES[name].encode())
    shuffled = "".join(np.random.default_rng(0).permutation(list(TEXT)))
    made = JiebaSegmenter([str(path)])
    assert word_starts(made, TEXT + shuffled) == starts_by_jieba(TEXT + shuffled, base, path)


def test_all_these_dictionaries_together_give_jiebas_own_words(tmp_path, starts_by_jieba):
    paths = [str(tmp_path / f"{number}.txt") for number in range(len(DICTIONARIES))]
    for path, content in zip(paths, DICTIONARIES.values(), strict=True):
        Path(path).write_bytes(content.encode())
    assert word_starts(JiebaSegmenter(paths), TEXT) == starts_by_jieba(TEXT, jieba_dictionary_path(), *paths)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", r"user\.txt: holds no word. Put "),
        (b"\n \r\n", r"user\.txt: holds no word"),
        ("研究生命 9 n\n".encode("gbk"), r"user\.txt:1: not UTF-8 .*iconv"),
        ("石墨烯\n研究生命 -9 n\n".encode(), r"user\.txt:2: '研究生命 -9 n' is not 'word \[frequency\] \[tag\]'"),
        ("石墨烯\n研究生命 1000000000000000000\n".encode(), r"user\.txt:2: a frequency of 19 digits, at most 18"),
        (f"石墨烯\n{'研' * 201}\n".encode(), r"user\.txt:2: a word of 201 characters, at most 200"),
        ("石墨烯\n".encode() + b"a" * (2 << 20), r"user\.txt:2: a line of over "),
        ("石墨烯\t5\tn\n".encode(), r"user\.txt:1: .* is not 'word \[frequency\] \[tag\]'"),
        (b"PK\x03\x04", r"user\.txt: is a zip archive by its first bytes"),
    ],
    ids=["empty", "blank", "GBK", "negative", "10^18", "201 characters", "2 MB line", "tabs", "zip"],
)
def test_a_dictionary_that_is_none_ends_the_build_with_its_place(tmp_path, text_file, vocab_file, capsys, raw, said):
    path = tmp_path / "user.txt"
    path.write_bytes(raw)
    line = ["build", str(text_file), "--vocab", str(vocab_file), "--out", str(tmp_path / "out"), "--dict", str(path)]
    assert main(line) == 65
    assert re.search(said, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def numbered(n):
    """Different names of five characters."""
    return ["".join(chr(0x4E00 + number // 50**place % 50) for place in range(5)) for number in range(n)]


@pytest.mark.parametrize("n", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_a_dictionary_of_very_many_words_gives_jiebas_own(tmp_path, base, starts_by_jieba, n):
    path = tmp_path / "user.txt"
    entries = numbered(n)
    path.write_text("".join(f"{word} {number % 99 + 1} nz\n" for number, word in enumerate(entries)), "utf-8")
    text = "".join(np.random.default_rng(0).choice([*entries[:: n // 100], *TEXT], 3000))
    assert word_starts(JiebaSegmenter([str(path)]), text) == starts_by_jieba(text, base, path)


def found(finder, text):
    spans = finder.find(TextBatch.of([text]), np.zeros(len(text), np.uint8))
    return [text[start:end] for start, end in zip(spans.starts, spans.ends, strict=True)]


@pytest.mark.parametrize("n", [20_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_every_entry_of_a_list_of_very_many_is_found(tmp_path, n):
    path = tmp_path / "names.txt"
    entries = numbered(n)
    path.write_text("\n".join(entries), "utf-8")
    assert found(Lexicon([(None, path)]), "，".join(entries)) == entries


@pytest.mark.parametrize(
    ("raw", "text", "spans"),
    [
        ("\ufeff北京\r\n上海\r\n", "\ufeff北京上海", ["北京", "上海"]),
        ("北京\n北京\n", "北京", ["北京"]),
        ("京\n北京\n", "京北京", ["北京"]),
        ("京" * 200, "京" * 401, ["京" * 200] * 2),
        ("New York\n　北京 \n", "New York,NewYork 北京", ["New York", "北京"]),
        ("北京\t-5\n上海\t1000000000000000000\n", "北京上海", ["北京", "上海"]),
        ("C++\na.c\n[京]\n北?京\n", "C++abca.c[京]北京北?京", ["C++", "[京]", "北?京"]),
        ("".join(f"{chr(code)}字\n" for code in range(0x20000, 0x30000)), "\U0002ffff字字", ["\U0002ffff字"]),
    ],
    ids=["BOM", "twice", "one character", "200 characters", "spaces", "numbers", "signs", "65,537 characters"],
)
def test_a_list_finds_what_stands_in_it_letter_by_letter(tmp_path, raw, text, spans):
    path = tmp_path / "names.txt"
    path.write_bytes(raw.encode())
    assert found(Lexicon([(None, path)]), text) == spans
