"""Inputs of extreme sizes through a whole build: what there is of text is in the shards, and memory is bounded."""

from __future__ import annotations

import resource
import subprocess
import sys

import numpy as np
import pytest

from corpus_tools.cli import main
from corpus_tools.schema import WORD
from corpus_tools.shards.read import open_shards
from corpus_tools.shards.verify import verify


@pytest.fixture
def built(tmp_path, vocab_file, capsys):
    """Build a file of some bytes; return the code, a reader of the shards or None, and what was said."""

    def run(name, raw, *options):
        (tmp_path / name).write_bytes(raw)
        out = tmp_path / "out"
        line = ["build", str(tmp_path / name), "--vocab", str(vocab_file), "--out", str(out), "--workers", "1"]
        code = main([*line, *options])
        return code, None if code else open_shards(out), capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no document is left of 0 that were read (there was none)"),
        (b"\n" * 100_000, "no document is left of 0 that were read (there was none)"),
        (b"\r\n" * 100_000, "no document is left of 0 that were read (there was none)"),
        (b"\xef\xbb\xbf", "no document is left of 0 that were read (there was none)"),
        ("\u2028".encode(), "no document is left of 1 that were read (empty 1)"),
        ("\0\u200b\u200b\ufeff".encode(), "no document is left of 1 that were read (no_tokens 1)"),
    ],
    ids=["nothing", "line ends", "line ends of Windows", "a byte order mark", "white space", "no letter"],
)
def test_a_file_without_text_ends_with_65_and_says_what_was_in_it(built, raw, said):
    code, _, told = built("a.txt", raw)
    assert code == 65
    assert said in told


@pytest.mark.parametrize(
    ("raw", "n_tokens"),
    [
        (b"a", [1]),
        ("的".encode(), [1]),
        ("研究".encode(), [2]),
        ("研究\r\n\r\n生命\r\n".encode(), [2, 2]),
        ("研究\r\r生命\r".encode(), [4]),
    ],
    ids=["a byte", "a character", "no last line end", "line ends of Windows", "line ends of old Macs"],
)
def test_what_little_there_is_is_built(built, raw, n_tokens):
    code, reader, _ = built("a.txt", raw)
    assert code == 0
    assert reader.lengths.tolist() == n_tokens


def test_a_hundred_thousand_documents_without_text_are_dropped_and_counted(built, tmp_path):
    code, reader, _ = built("a.jsonl", b'{"text": ""}\n' * 100_000 + '{"text": "研究"}\n'.encode())
    assert code == 0
    assert len(reader) == 1
    assert reader.manifest.accounting.dropped == {"empty": 100_000}
    with (tmp_path / "out" / "rejects.jsonl").open("rb") as file:
        assert sum(1 for _ in file) == 100_000


@pytest.mark.parametrize(("word", "n"), [("的", 1_000_000), ("中国", 1_000_000)])
def test_a_word_a_million_times_is_a_million_words(built, tmp_path, word, n):
    code, reader, _ = built("a.txt", (word * n).encode(), "--tags", "")
    assert code == 0
    assert reader.lengths.tolist() == [n * len(word)]
    flags = reader.flags(0)
    assert (np.flatnonzero(flags & WORD) == np.arange(0, n * len(word), len(word))).all()
    assert verify(tmp_path / "out").problems == []


@pytest.mark.slow
def test_a_line_of_a_hundred_megabytes_is_built_in_sixty_bytes_a_character(tmp_path, vocab_file):
    n_characters = 33_000_000
    with (tmp_path / "a.txt").open("wb") as file:
        for _ in range(33):
            file.write("研究".encode() * 500_000)
    line = ["build", str(tmp_path / "a.txt"), "--vocab", str(vocab_file), "--out", str(tmp_path / "out")]
    subprocess.run([sys.executable, "-m", "corpus_tools", *line, "--workers", "1"], check=True, capture_output=True)
    assert open_shards(tmp_path / "out").lengths.tolist() == [n_characters]
    n_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    assert n_bytes < (512 << 20) + 60 * n_characters


def test_a_hole_of_a_file_ends_the_build_at_once(tmp_path, vocab_file, capsys):
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(2 << 30)
    line = ["build", str(tmp_path / "a.txt"), "--vocab", str(vocab_file), "--out", str(tmp_path / "out")]
    assert main(line) == 65
    assert "a.txt: over a quarter of it are NUL bytes" in capsys.readouterr().err
