"""Open what users hand in: plain or packed by suffix, and lists of one entry a line."""

from __future__ import annotations

import hashlib
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from corpus_tools.errors import DataError, MissingInputError
from corpus_tools.unpack import PACKED, Allowance, packed_suffix, unpacked

__all__ = [
    "BOM",
    "HEAD_BYTES",
    "MAX_ENTRY_CHARS",
    "MAX_LINE_BYTES",
    "PACKED",
    "check_kind",
    "content_hash",
    "damage_named",
    "list_lines",
    "open_bytes",
    "utf8_name",
]

BOM: Final = b"\xef\xbb\xbf"

MAX_LINE_BYTES: Final = 1 << 20
"""A list with a longer line than this is something else."""

MAX_ENTRY_CHARS: Final = 200
"""A longer entry of a list is no word, no name and no phrase: the file is something else."""

_CHUNK: Final = 1 << 20

_TAR: Final = "a tar archive"

# What a file is by its first bytes, whatever it is called. No text begins so.
_KINDS: Final = {
    b"\x1f\x8b\x08": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x50\x2a\x4d\x18": "Zstandard",  # pzstd begins with a frame to skip
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "a zip archive",
    b"BZh91AY&SY": "bzip2",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"PAR1": "Parquet",
    b"ARROW1\0\0": "Arrow",
    b"%PDF-": "PDF",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Office document",
}
_SUFFIXES: Final = {"gzip": ".gz", "xz": ".xz", "Zstandard": ".zst", "a zip archive": ".zip", _TAR: ".tar"}
HEAD_BYTES: Final = 262
"""So much of a file tells what kind it is of."""


def open_bytes(path: str | Path, allowance: Allowance | None = None) -> BinaryIO:
    """Open a file for reading, unpacking `.gz`, `.xz` and `.zst` (and .tgz, .txz, .tzst to a tar) as it is read.

    What is wrong inside a packed file shows only while it is read: read within `damage_named`.

    Args:
        path: the file.
        allowance: how much it may unpack to; 1 TiB without one.

    Raises:
        MissingInputError: no file is there.
        DataError: it is a folder, may not be read, or is by its first bytes something else than its name says.
    """
    path = Path(path)
    try:
        opened = path.open("rb")
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        check_kind(path, path.name, opened.peek(HEAD_BYTES))
    except DataError:
        opened.close()
        raise
    suffix = packed_suffix(path.name)
    return unpacked(opened, suffix, allowance or Allowance(path)) if suffix else opened


def check_kind(place: str | Path, name: str, head: bytes) -> None:
    """Compare what a file is by its first HEAD_BYTES with what its name says. An old tar has nothing to tell it by.

    Raises:
        DataError: they differ; the message says what it is.
    """
    suffix = packed_suffix(name) or Path(name).suffix.lower()
    by_name = next((kind for kind, known in _SUFFIXES.items() if known == suffix), "")
    kind = next((kind for begin, kind in _KINDS.items() if head.startswith(begin)), "")
    kind = kind or (_TAR if head[257:262] == b"ustar" else "")
    if kind == by_name or (by_name == _TAR and not kind):
        return
    if kind:
        remedy = f"Name it {_SUFFIXES[kind]}" if kind in _SUFFIXES else "Turn it into text, or give it its true name"
        raise DataError(f"{place}: is {kind} by its first bytes, whatever its name says. {remedy}")
    found = f"begins with the bytes {head[:4].hex(' ')}" if head else "is empty"
    raise DataError(f"{place}: {found}, so it is not {by_name}. Take {suffix} off its name, or fetch it again")


def content_hash(path: str | Path) -> str:
    """Return the SHA-256 of what is in a file, however it is packed.

    Raises:
        MissingInputError, DataError: as `open_bytes`; or the file is damaged.
    """
    digest = hashlib.sha256()
    with open_bytes(path) as file, damage_named(path):
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def utf8_name(name: str) -> str:
    """Write a file name so that it can be stored: names need not be UTF-8 on disk."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@contextmanager
def damage_named(path: str | Path) -> Iterator[None]:
    """Turn what reading a damaged or cut-off file raises into a DataError that names the file."""
    try:
        yield
    except (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, tarfile.TarError, OSError) as error:
        raise DataError(f"{path}: damaged or cut short: {error}. Fetch or pack it again") from error


def list_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end) of a UTF-8 list; a byte order mark is skipped.

    Raises:
        MissingInputError: no file is there.
        DataError: the file is damaged, or a line is not UTF-8 or longer than MAX_LINE_BYTES.
    """
    with open_bytes(path) as file, damage_named(path):
        number = 0
        while raw := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(raw) > MAX_LINE_BYTES:
                raise DataError(f"{path}:{number}: a line of over {MAX_LINE_BYTES:,} bytes; this is no list")
            if number == 1:
                raw = raw.removeprefix(BOM)
            try:
                line = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}:{number}: not UTF-8 (byte {error.start + 1} is 0x{raw[error.start]:02x}). "
                    "Convert it: iconv -f gb18030 -t utf-8"
                ) from error
            yield number, line.removesuffix("\n").removesuffix("\r")
