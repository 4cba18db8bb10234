"""Splits: however a file is cut, the same documents come out under the same ids."""

from __future__ import annotations

import gzip
import json
import re

import numpy as np
import pytest

from corpus_tools.errors import DataError, SettingsError
from corpus_tools.schema import Document
from corpus_tools.text import ReadSettings, find_inputs, plan_splits, read_split


def read(path, split_bytes, settings=None):
    settings = settings or ReadSettings()
    splits = plan_splits(find_inputs([str(path)], settings), split_bytes, settings)
    return splits, [document for split in splits for document in read_split(split, settings)]


def documents_line_by_line(name, raw):
    """The documents of a .txt file, without splits, by Python's own lines."""
    found, held = [], []
    *lines, last = raw.decode("utf-8-sig").split("\n")
    for number, line in enumerate([*(line.removesuffix("\r") for line in lines), last, ""], start=1):
        if line.strip(" \t\r\v\f\u00a0\u3000"):
            held.append((number, line))
        elif held:
            found.append(Document(f"{name}:{held[0][0]}", name, "\n".join(line for _, line in held)))
            held = []
    return found


def random_text(draw):
    pieces = ["春", "天来了。", "\n", "\n", "\n\n", "\r\n", " ", "　", "\t", "abc", "𠮷", "\r", "\x85", "\u2028"]
    return "".join(draw.choice(pieces, size=int(draw.integers(0, 60))))


@pytest.mark.parametrize("number", range(30))
def test_a_text_file_gives_the_same_documents_however_it_is_cut(tmp_path, number):
    draw = np.random.default_rng(number)
    raw = b"\xef\xbb\xbf" * (number % 2) + random_text(draw).encode()
    path = tmp_path / "a.txt"
    path.write_bytes(raw)
    expected = [d for d in documents_line_by_line("a.txt", raw) if d.text.strip()]
    for split_bytes in (1, 2, 3, 7, 20, 10_000):
        splits, found = read(path, split_bytes)
        assert [d for d in found if isinstance(d, Document)] == expected
        assert [split.start for split in splits[1:]] == [split.end for split in splits[:-1]]
        assert (splits[0].start, splits[-1].end) == (0, len(raw))


@pytest.mark.parametrize("encoding", ["gb18030", "big5hkscs"])
@pytest.mark.parametrize("number", range(20))
def test_text_in_other_encodings_gives_the_same_documents_however_it_is_cut(tmp_path, encoding, number):
    # Characters whose bytes are those of others when they are cut, or read in another encoding.
    draw = np.random.default_rng(number)
    pieces = ["的", "一", "許", "功", "蓋", "　", "\n", "\n", "\n\n", "\r\n", "。", "|", "\\", "0"]
    text = "".join(draw.choice(pieces, size=80))
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "a.txt").write_bytes(text.encode())
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    settings = ReadSettings(encoding=encoding)
    _, expected = read(tmp_path / "plain" / "a.txt", 10_000)
    for split_bytes in (1, 2, 3, 7, 20, 10_000):
        assert read(tmp_path / "a.txt", split_bytes, settings)[1] == expected


def test_a_wide_file_is_one_split(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("春天\n\n花开\n", "utf-16")
    splits, found = read(path, 1)
    assert len(splits) == 1
    assert [(d.id, d.text) for d in found] == [("a.txt:1", "春天"), ("a.txt:3", "花开")]


@pytest.mark.parametrize("split_bytes", [1, 30, 31, 32, 100, 1000])
def test_json_lines_are_the_same_however_they_are_cut(tmp_path, split_bytes):
    path = tmp_path / "a.jsonl"
    lines = [json.dumps({"text": "春" * (number % 7 + 1)}) for number in range(40)]
    lines[5] = lines[9] = ""
    path.write_text("\n".join(lines), "utf-8")
    splits, found = read(path, split_bytes)
    assert [(d.id, d.text) for d in found] == [
        (f"a.jsonl:{number}", json.loads(line)["text"]) for number, line in enumerate(lines, start=1) if line
    ]
    assert len(splits) > 1 or split_bytes >= path.stat().st_size


def test_each_split_knows_the_number_of_its_first_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("一\n二\n\n三\n\n\n四\n", "utf-8")
    splits, _ = read(path, 1)
    starts = [path.read_bytes()[split.start :].decode()[0] for split in splits]
    assert [(split.first_line, start) for split, start in zip(splits, starts, strict=True)] == [
        (1, "一"),
        (4, "三"),
        (6, "\n"),
    ]


def test_a_packed_file_is_one_split(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress("春天\n\n花开\n".encode()))
    splits, found = read(path, 1)
    assert len(splits) == 1
    assert [d.id for d in found] == ["a.txt.gz:1", "a.txt.gz:3"]


def test_a_file_that_is_one_document_is_one_split(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("春天\n\n花开\n", "utf-8")
    splits, found = read(path, 1, ReadSettings(document_ends="file"))
    assert len(splits) == 1
    assert [(d.id, d.text) for d in found] == [("a.txt:1", "春天\n\n花开")]


def test_an_empty_file_has_no_document(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"")
    assert read(path, 1)[1] == []


def test_a_file_that_shrank_after_planning_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("春天\n\n花开\n", "utf-8")
    splits = plan_splits(find_inputs([str(path)]))
    path.write_text("春天\n", "utf-8")
    with pytest.raises(DataError, match=re.escape("a.txt: 8 bytes shorter")):
        list(read_split(splits[0], ReadSettings()))


def test_splits_of_no_bytes_are_refused():
    with pytest.raises(SettingsError, match="split_bytes"):
        plan_splits([], 0)
