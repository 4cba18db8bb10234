"""Files by their names and their first bytes; lists, one entry a line, with errors that name the line."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile

import pyarrow as pa
import pytest

from corpus_tools.errors import DataError, MissingInputError
from corpus_tools.files import MAX_LINE_BYTES, list_lines, open_bytes

TEXT = "春天来了\n".encode()


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


def zip_of(text):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.txt", text)
    return made.getvalue()


def tar_of(text):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    return made.getvalue()


def zstd(text):
    return pa.compress(text, codec="zstd", asbytes=True)


@pytest.mark.parametrize(
    ("name", "raw", "found"),
    [
        ("a.txt", gzip.compress(TEXT, mtime=0), r"is gzip by its first bytes, whatever its name says. Name it \.gz"),
        ("a.txt", lzma.compress(TEXT), r"is xz .* Name it \.xz"),
        ("a.jsonl", zstd(TEXT), r"is Zstandard .* Name it \.zst"),
        ("a.jsonl", zip_of(TEXT), r"is a zip archive .* Name it \.zip"),
        ("a.txt", tar_of(TEXT), r"is a tar archive .* Name it \.tar"),
        ("a.txt", b"%PDF-1.7\n", "is PDF .* Turn it into text"),
        ("a.txt.gz", lzma.compress(TEXT), r"is xz .* Name it \.xz"),
        ("a.txt.gz", TEXT, r"begins with the bytes e6 98 a5 e5, so it is not gzip. Take \.gz off its name"),
        ("a.txt.xz", TEXT, "begins .* so it is not xz"),
        ("a.txt.zst", TEXT, "begins .* so it is not Zstandard"),
        ("a.txt.gz", b"", "is empty, so it is not gzip"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused_by_what_it_is(tmp_path, name, raw, found):
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(DataError, match=f"{name}: {found}"):
        open_bytes(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("a.txt", TEXT),
        ("a.txt", b""),
        ("a.txt.gz", gzip.compress(TEXT, mtime=0)),
        ("a.XZ", lzma.compress(TEXT)),
        ("a.txt.zst", zstd(TEXT)),
        ("a.tar", tar_of(TEXT)),
        ("a.tar", tar_of(TEXT).replace(b"ustar", b"\0\0\0\0\0")),
    ],
)
def test_a_file_that_is_what_its_name_says_is_opened(tmp_path, name, raw):
    (tmp_path / name).write_bytes(raw)
    with open_bytes(tmp_path / name) as file:
        assert file.read() == (TEXT if name not in ("a.tar",) and raw else raw)


def test_a_list_may_be_zstandard(tmp_path):
    (tmp_path / "a.txt.zst").write_bytes(zstd(TEXT))
    assert list(list_lines(tmp_path / "a.txt.zst")) == [(1, "春天来了")]
