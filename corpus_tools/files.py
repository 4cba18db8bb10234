"""Open what users hand in: plain, gzip or xz by suffix, and lists of one entry a line."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from corpus_tools.errors import DataError, MissingInputError

PACKED: Final = (".gz", ".xz")
"""Suffixes of compressed files that are read as they are."""

BOM: Final = b"\xef\xbb\xbf"

MAX_LINE_BYTES: Final = 1 << 20
"""A list with a longer line than this is something else."""


def open_bytes(path: str | Path) -> BinaryIO:
    """Open a file for reading, unpacking `.gz` and `.xz` as it is read.

    What is wrong inside a packed file shows only while it is read: read within `damage_named`.

    Raises:
        MissingInputError: no file is there.
        DataError: it is a folder or may not be read.
    """
    path = Path(path)
    try:
        match path.suffix.lower():
            case ".gz":
                return cast(BinaryIO, gzip.open(path, "rb"))
            case ".xz":
                return cast(BinaryIO, lzma.open(path, "rb"))
        return path.open("rb")
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror}") from error


@contextmanager
def damage_named(path: str | Path) -> Iterator[None]:
    """Turn what reading a damaged or cut-off file raises into a DataError that names the file."""
    try:
        yield
    except (EOFError, lzma.LZMAError, zlib.error, OSError) as error:
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
