"""Vocabularies as people have them: a build refuses what is none, and takes any number of entries."""

from __future__ import annotations

import numpy as np
import pytest
from odd_texts import SENTENCES, small_vocabulary

from corpus_tools.cli import main
from corpus_tools.encode.vocabulary import SPECIALS, Vocabulary
from corpus_tools.shards.read import open_shards
from corpus_tools.shards.verify import verify


@pytest.fixture
def line(text_file, tmp_path):
    """A command line that builds with the vocabulary at `vocab` into `out`."""
    names = ["--vocab", str(tmp_path / "vocab"), "--out", str(tmp_path / "out")]
    return ["build", str(text_file), *names, "--segmenter", "chars", "--tags", "", "--workers", "1"]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("\r\n".join([*SPECIALS, "的"]).encode(), "vocab:1: the line ends in CR LF"),
        ("\n".join([*SPECIALS[:4], "的"]).encode(), "vocab: [MASK] is missing"),
        ("\n".join([*SPECIALS, "的", "一", "的"]).encode(), "vocab:8: '的' stands on line 6 already"),
        ("\n".join([*SPECIALS, "", "的"]).encode(), "vocab:6: the entry is blank"),
        ("\n".join([*SPECIALS, "的", "", ""]).encode(), "vocab:7: the entry is blank"),
        ("\n".join([*SPECIALS, "的"]).encode("gbk"), "vocab: not UTF-8 (byte"),
        ("\n".join([*SPECIALS, "的"]).encode("utf-16"), "vocab: not UTF-8 (byte 0)"),
        (b"", "vocab: the file is empty"),
    ],
    ids=["CR LF", "no [MASK]", "twice", "blank", "blank at the end", "GBK", "UTF-16", "empty"],
)
def test_a_file_that_is_no_vocabulary_ends_the_build_with_its_place(tmp_path, line, raw, said, capsys):
    (tmp_path / "vocab").write_bytes(raw)
    assert main(line) == 65
    told = capsys.readouterr().err
    assert told.startswith("corpus-tools: ")
    assert said in told
    assert not (tmp_path / "out").exists()


def test_a_vocabulary_with_a_byte_order_mark_is_read_without_it(tmp_path, line):
    (tmp_path / "vocab").write_text("\n".join(small_vocabulary().tokens), "utf-8-sig")
    assert main(line) == 0
    assert open_shards(tmp_path / "out").vocabulary.fingerprint == small_vocabulary().fingerprint


CHARACTERS = [chr(code) for code in (*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000), *range(0x20000, 0x2A6E0))]


@pytest.mark.parametrize("size", [1 << 16, (1 << 16) + 1])
def test_any_number_of_entries_is_built_verified_and_read_back(tmp_path, line, text_file, size):
    made = Vocabulary([*SPECIALS, *CHARACTERS[: size - len(SPECIALS)]])
    made.save(tmp_path / "vocab")
    last = made.tokens[-1]
    text_file.write_text("\n\n".join([*SENTENCES, f"{last}的{last}"]), "utf-8")

    assert main(line) == 0

    assert verify(tmp_path / "out").problems == []
    reader = open_shards(tmp_path / "out")
    assert reader.ids(0).dtype == (np.uint16 if size <= 1 << 16 else np.uint32)
    assert reader.ids(len(SENTENCES)).tolist() == [size - 1, made.id_of["的"], size - 1]
    for number, text in enumerate(SENTENCES):
        assert reader.ids(number).tolist() == made.corpus_tokenizer().encode(text, add_special_tokens=False).ids


def test_case_is_as_the_build_was_told_and_capitals_are_unknown_to_a_vocabulary_without_them(tmp_path, line, text_file):
    text_file.write_text("OpenAI发布了GPT。\n", "utf-8")
    (tmp_path / "vocab").write_text("\n".join(small_vocabulary().tokens), "utf-8")
    assert main(line) == 0
    assert open_shards(tmp_path / "out").manifest.counters["unknown_tokens"] == 0
    assert main([*line, "--cased"]) == 73  # not into the same folder
    cased = [str(tmp_path / "cased") if word == str(tmp_path / "out") else word for word in line]
    assert main([*cased, "--cased"]) == 0
    counters = open_shards(tmp_path / "cased").manifest.counters
    assert (counters["unknown_tokens"], counters["unknown_characters"].keys()) == (2, {"O", "A", "I", "G", "P", "T"})


def test_another_tokenizer_than_the_shards_is_noticed_by_every_reader(tmp_path, line, capsys):
    small_vocabulary().save(tmp_path / "vocab")
    assert main(line) == 0
    small_vocabulary(lower_case=False).save(tmp_path / "out" / "tokenizer")
    for words in (["verify"], ["stats"], ["audit", "--masking", "wwm"], ["preview", "--masking", "wwm"]):
        assert main([words[0], str(tmp_path / "out"), *words[1:]]) == 65
        assert "tokenizer: is vocabulary" in capsys.readouterr().err
