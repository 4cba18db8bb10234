"""Streams that unpack gzip, xz and Zstandard as they are read, and stop where a file swells as only a bomb does."""

from __future__ import annotations

import gzip
import io
import lzma
from pathlib import Path
from typing import BinaryIO, Final, cast

from corpus_tools.errors import RefusedError

PACKED: Final = (".gz", ".xz", ".zst")
"""Suffixes of packed files that are read as what they hold."""

MAX_RATIO: Final = 200
"""A packed file that unpacks to more than this many times its size is a bomb; text comes to 3 to 20."""
SMALL: Final = 128 << 20
"""Bytes that any packed file may unpack to whatever its ratio: repeated lines pack well, and so little does no harm."""
MAX_UNPACKED: Final = 1 << 40
"""Bytes that one file on disk may unpack to, where nobody says otherwise: 1 TiB."""

_SHORT_SUFFIXES: Final = {".tgz": ".gz", ".txz": ".xz", ".tzst": ".zst"}
_BUFFER: Final = 1 << 17


def packed_suffix(name: str) -> str:
    """Return how a file is packed by its name, one of PACKED; "" where it is not."""
    suffix = Path(name).suffix.lower()
    suffix = _SHORT_SUFFIXES.get(suffix, suffix)
    return suffix if suffix in PACKED else ""


class Allowance:
    """The bytes that one file on disk may still unpack to, all members of an archive together.

    Args:
        name: the file, for messages.
        n_bytes: in all.
    """

    def __init__(self, name: str | Path, n_bytes: int = MAX_UNPACKED) -> None:
        self.name = name
        self._n_bytes = self._left = n_bytes

    def take(self, n: int) -> None:
        """Note that `n` more bytes came out.

        Raises:
            RefusedError: they are too many.
        """
        self._left -= n
        if self._left < 0:
            raise RefusedError(
                f"{self.name}: unpacks to more than {self._n_bytes:,} bytes. "
                "If you trust it, allow more: --max-unpacked BYTES"
            )

    def check_ratio(self, n_unpacked: int, n_packed: int) -> None:
        """Compare what came out with what went in.

        Raises:
            RefusedError: it is as much more as only a bomb makes of it.
        """
        if n_unpacked > SMALL and n_unpacked > MAX_RATIO * n_packed:
            raise RefusedError(
                f"{self.name}: {n_packed:,} bytes of it unpack to {n_unpacked:,}, more than {MAX_RATIO} times as much, "
                "as a bomb does. If you trust it, unpack it yourself"
            )


def unpacked(packed: BinaryIO, suffix: str, allowance: Allowance) -> BinaryIO:
    """Unpack a stream by its suffix, one of PACKED, as it is read. Parts that were packed by themselves are joined.

    To close the result closes `packed`. Reading raises RefusedError as `allowance` does, and where the stream is
    damaged or cut short EOFError, OSError, zlib.error or lzma.LZMAError.
    """
    return io.BufferedReader(_Unpacking(packed, suffix, allowance), _BUFFER)


class _Unpacking(io.RawIOBase):
    def __init__(self, packed: BinaryIO, suffix: str, allowance: Allowance) -> None:
        self._packed, self._allowance = packed, allowance
        self._unpacking = _open(packed, suffix)
        self._n_unpacked = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        n = self._unpacking.readinto(buffer)
        self._n_unpacked += n
        self._allowance.take(n)
        self._allowance.check_ratio(self._n_unpacked, self._packed.tell())
        return n

    def close(self) -> None:
        if not self.closed:
            self._unpacking.close()
            self._packed.close()
        super().close()


def _open(packed: BinaryIO, suffix: str) -> io.BufferedIOBase:
    match suffix:
        case ".gz":
            return gzip.GzipFile(fileobj=packed)
        case ".xz":
            return lzma.LZMAFile(packed)
        case ".zst":
            # Not the package `zstandard`: at the end of a cut-off file it says nothing.
            import pyarrow as pa  # tens of milliseconds, and `cn-bert --help` opens no file

            return cast(io.BufferedIOBase, pa.CompressedInputStream(pa.PythonFile(packed, "r"), "zstd"))
    raise AssertionError(suffix)
