"""Writing that a crash cannot tear, hashes of what was written, and one writer at a time."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

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


def replace_whole(temporary: Path, target: Path) -> None:
    """Give a finished file or folder its name, so that the name never shows a half-written one."""
    sync(temporary)
    temporary.rename(target)
    sync(target.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Raises:
        DiskError: the disk is full or refuses.
    """
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        replace_whole(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise DiskError(f"{path}: cannot be written: {error.strerror}") from error


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for one writer. A lock left by a process that is gone is taken over.

    Raises:
        OutputError: another process writes here; the message names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, host = folder / LOCK_NAME, socket.gethostname()
    claim = folder / f"{LOCK_NAME}-{host}-{os.getpid()}"
    claim.write_text(f"{host} {os.getpid()}", encoding="utf-8")
    try:
        while not _link(claim, lock):
            owner, _, pid = _read(lock, default=f"{host} ").partition(" ")
            if owner != host or (pid.isdecimal() and _alive(int(pid))):
                raise OutputError(
                    f"{folder}: process {pid} on {owner} is writing here. Wait for it, or if it is gone remove {lock}"
                )
            lock.unlink(missing_ok=True)
    finally:
        claim.unlink(missing_ok=True)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _link(claim: Path, lock: Path) -> bool:
    """Make the claim the lock, content and all, unless there is one already."""
    try:
        os.link(claim, lock)
    except FileExistsError:
        return False
    return True


def _read(path: Path, default: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return default


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
