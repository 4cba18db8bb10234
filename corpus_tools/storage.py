"""Writing that a crash cannot tear, hashes of what was written, and one writer at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any, Final, TextIO

from corpus_tools.errors import DiskError, OutputError

LOCK_NAME: Final = ".lock"


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_beside(path: Path) -> Path:
    """Return a name for the file while it is written, never the same: process numbers repeat from node to node."""
    return path.with_name(f"{path.name}.tmp-{secrets.token_hex(4)}")


def replace_whole(temporary: Path, target: Path) -> None:
    """Give a finished file or folder its name, so that the name never shows a half-written one."""
    sync(temporary)
    temporary.rename(target)
    sync(target.parent)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Name what could not be written. Only around writing: what reading raises is told elsewhere.

    Raises:
        DiskError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise DiskError(f"{path}: cannot be written: {error.strerror or error}") from error


def refuse_existing(target: Path) -> None:
    """Keep what is there already: a person may have edited it.

    Raises:
        OutputError: there is a file or folder of this name.
    """
    if target.exists():
        raise OutputError(f"{target}: exists already. Take another --out, or remove it")


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Lend a place beside `target`. The file or folder made there becomes `target`, unless something is raised.

    Raises:
        DiskError: the disk is full or refuses.
    """
    place = temporary_beside(target)
    try:
        with disk_errors(target):
            yield place
            for path in place.rglob("*"):
                sync(path)
            replace_whole(place, target)
    finally:
        rmtree(place, ignore_errors=True)
        with suppress(OSError):
            place.unlink()


def write_text(path: Path, text: str) -> None:
    r"""Write a text file whole or not at all. Bytes of a file name that are not UTF-8 are written as \udcXX.

    Raises:
        DiskError: the disk is full or refuses.
    """
    with written_whole(path) as place:
        place.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all. Read again it is the same, with any file name in it."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for one writer. The kernel lets go of the lock when its holder ends, however that happens.

    Raises:
        OutputError: another process writes here; the message names it.
        DiskError: the folder cannot be made or written.
    """
    path = folder / LOCK_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _held(path)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
    except OSError as error:
        raise DiskError(f"{folder}: cannot be written: {error.strerror or error}") from error
    with lock:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # while it is held, so nobody's lock but ours is removed


def _held(path: Path) -> TextIO:
    while True:
        lock = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read() or "another process"
            lock.close()
            raise OutputError(f"{path.parent}: {owner} is writing here. Wait for it") from None
        except OSError:
            return lock  # a file system without locks; two writers there are the user's own care
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
        lock.close()  # its holder removed the file between our two calls: there is a new one to take
