"""Read the files in .zip and .tar archives one after the other; nothing is ever written to disk.

A name in an archive is only a name here, so none can lead anywhere. Archives with names that would lead out of a
folder, with links or with devices are refused all the same: they are made to do harm, or are no collection of texts.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO, Final, Self, cast

from corpus_tools.errors import DataError, RefusedError
from corpus_tools.files import HEAD_BYTES, check_kind, open_bytes
from corpus_tools.unpack import Allowance, packed_suffix, unpacked

ARCHIVES: Final = (".zip", ".tar", ".tar.gz", ".tar.xz", ".tar.zst", ".tgz", ".txz", ".tzst")

MAX_MEMBERS: Final = 10_000
"""Where nobody says otherwise."""

HEADER_BYTES: Final = 16 << 20
"""What may stand between the contents of two members of a tar. It is held in memory, and a name could be a gigabyte."""

_TAR_BUFFER: Final = 1 << 18
_ZIP_END_BYTES: Final = 22 + 0xFFFF
"""The record at the end of a zip with the longest comment."""
_ENCRYPTED: Final = 1 << 0
_UTF8_NAME: Final = 1 << 11
"""Flags of a zip member."""


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file in an archive."""

    name: str
    """Its path in the archive."""
    n_bytes: int
    """Its size as it comes out of the archive; where it is packed once more, packed."""
    open: Callable[[], BinaryIO]
    """Gives its bytes until the next member is asked for; unpacked where its name ends in .gz, .xz or .zst."""


def is_archive(name: str) -> bool:
    """Tell an archive by its name."""
    return name.lower().endswith(ARCHIVES)


def members(path: str, max_members: int, max_bytes: int) -> Iterator[Member]:
    """Yield the regular files of an archive, in its order. Use within `damage_named`.

    Args:
        path: a name that `is_archive` knows.
        max_members: how many members there may be, folders too.
        max_bytes: what all of them together may unpack to.

    Raises:
        RefusedError: a name that leads out of a folder, a link, a device, an encrypted member, a bomb, or too many
            members.
        DataError, MissingInputError: as `open_bytes`.
    """
    allowance = Allowance(path, max_bytes)
    in_zip = path.lower().endswith(".zip")
    if in_zip:
        _check_number(path, _declared_members(path), max_members)
    for number, member in enumerate((_of_zip if in_zip else _of_tar)(path, allowance), start=1):
        _check_number(path, number, max_members)
        if member is not None:
            yield member


def _check_number(path: str, number: int, max_members: int) -> None:
    if number > max_members:
        raise RefusedError(f"{path}: over {max_members:,} members. If you trust it, allow more: --max-members N")


def _declared_members(path: str) -> int:
    """Return how many members a zip says it has, as far as 16 bits go: the module makes an object of each at once."""
    with open_bytes(path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _ZIP_END_BYTES))
        end = file.read()
    at = end.rfind(b"PK\x05\x06")
    return int.from_bytes(end[at + 10 : at + 12], "little") if at >= 0 else 0


def _of_zip(path: str, allowance: Allowance) -> Iterator[Member | None]:
    with open_bytes(path) as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            name = _zip_name(info)
            _refuse(path, name, _fault_in_zip(info))
            # The module gives out no more of a member than it says it has.
            allowance.take(info.file_size)
            allowance.check_ratio(info.file_size, info.compress_size)
            opened = partial(_open_in_zip, archive, info, f"{path}!/{name}", allowance)
            yield None if info.is_dir() else Member(_plain(name), info.file_size, opened)


def _of_tar(path: str, allowance: Allowance) -> Iterator[Member | None]:
    with open_bytes(path, allowance) as file:
        stream = _TarStream(file, path)
        with tarfile.open(
            fileobj=cast(BinaryIO, stream), mode="r|", bufsize=_TAR_BUFFER, tarinfo=_StrictTarInfo
        ) as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # the module would keep them all
                stream.left = info.size + HEADER_BYTES
                _refuse(path, info.name, _fault_in_tar(info))
                opened = partial(_open_in_tar, archive, info, f"{path}!/{info.name}", allowance)
                yield None if info.isdir() else Member(_plain(info.name), info.size, opened)


def _refuse(path: str, name: str, fault: str) -> None:
    parts = re.split(r"[/\\]", name)
    if ".." in parts or not parts[0] or parts[0][1:] == ":":
        fault = "a name that leads out of the folder it is unpacked to"
    if fault:
        raise RefusedError(f"{path}: {name!r} is {fault}. If you trust it, unpack it yourself")


def _fault_in_zip(info: zipfile.ZipInfo) -> str:
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link or a device"
    return "encrypted" if info.flag_bits & _ENCRYPTED else ""


def _fault_in_tar(info: tarfile.TarInfo) -> str:
    if info.issparse():
        return "a file with holes, which swells as it is read"
    return "" if info.isfile() or info.isdir() else "a link, a device or a pipe"


def _open_in_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: str, allowance: Allowance) -> BinaryIO:
    try:
        stream = cast(io.RawIOBase, archive.open(info))
    except NotImplementedError as error:
        raise DataError(f"{place}: cannot be unpacked: {error}. Pack it anew") from error
    return _unpacked(cast(io.BufferedReader, io.BufferedReader(stream)), place, allowance)


def _open_in_tar(archive: tarfile.TarFile, info: tarfile.TarInfo, place: str, allowance: Allowance) -> BinaryIO:
    return _unpacked(cast(io.BufferedReader, archive.extractfile(info)), place, allowance)


def _unpacked(stream: io.BufferedReader, place: str, allowance: Allowance) -> BinaryIO:
    check_kind(place, place, stream.peek(HEAD_BYTES))
    suffix = packed_suffix(place)
    return unpacked(stream, suffix, allowance) if suffix else stream


def _plain(name: str) -> str:
    """Write "./a.txt", as `tar -c .` does, as "a.txt"."""
    return str(PurePosixPath(name))


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return a member's name. Windows writes Chinese ones in GBK without saying so; the module takes them for cp437."""
    if info.flag_bits & _UTF8_NAME or info.filename.isascii():
        return info.filename
    raw = info.filename.encode("cp437")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("gb18030", "backslashreplace")


class _TarStream:
    """The bytes of a tar, as far as `left` goes."""

    def __init__(self, stream: BinaryIO, path: str) -> None:
        self._stream, self._path = stream, path
        self.left = HEADER_BYTES

    def read(self, n: int) -> bytes:
        raw = self._stream.read(n)
        self.left -= len(raw)
        if self.left < 0:
            raise RefusedError(f"{self._path}: over {HEADER_BYTES:,} bytes of headers before one member")
        return raw


class _StrictTarInfo(tarfile.TarInfo):
    """A header that must be sound: the module takes a damaged one behind the first member for the archive's end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from error
