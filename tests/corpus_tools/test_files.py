"""Lists: one entry a line, with errors that name the line."""

from __future__ import annotations

import gzip

import pytest

from corpus_tools.errors import DataError, MissingInputError
from corpus_tools.files import MAX_LINE_BYTES, list_lines


def test_lines_are_numbered_and_lose_their_ends_and_the_byte_order_mark(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress("\ufeff春\r\n\n花 ".encode()))
    assert list(list_lines(path)) == [(1, "春"), (2, ""), (3, "花 ")]


def test_a_line_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("春\n".encode() + "花".encode("gb18030"))
    with pytest.raises(DataError, match=r"a\.txt:2: not UTF-8 \(byte 1 is 0xbb\)"):
        list(list_lines(path))


def test_a_line_without_end_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a" * (MAX_LINE_BYTES + 1))
    with pytest.raises(DataError, match=r"a\.txt:1: a line of over"):
        list(list_lines(path))


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(MissingInputError, match="gone"):
        list(list_lines(tmp_path / "gone.txt"))
