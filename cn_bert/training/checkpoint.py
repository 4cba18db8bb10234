"""Folders `step-N` that are whole or absent, however their writer ends. What lies in them is `snapshot.py`'s.

A checkpoint is written under a temporary name: its files, each hashed on its way to the disk, then `manifest.json` with
their sizes and hashes. All of it is flushed and read back before the folder gets its name, and older ones may go only
after that. Which one is the newest is found by looking: a file that named it would be a second truth, and a crash could
leave it empty, early or late. One process writes at a time, the run's first rank, which holds the run's lock.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from corpus_tools.errors import DiskError, UnverifiedError
from corpus_tools.storage import replace_whole, sha256_file, sync, temporary_beside

CHECKPOINTS: Final = "checkpoints"
"""Where they lie in a run's folder."""
MANIFEST: Final = "manifest.json"
WEIGHTS: Final = "weights.safetensors"
MOMENTS: Final = "moments.safetensors"
STATE: Final = "state.json"
"""Counters and what else is no tensor; its `step` is the folder's."""
KEPT: Final = "kept"
"""An empty file: a checkpoint that has it is never removed. Anybody may put it there, or take it away."""
NEEDED: Final = (WEIGHTS, MOMENTS, STATE)
"""What every checkpoint has; a manifest may name more."""
RETRY_SECONDS: Final = (0.5, 2.0)
"""Waits before a checkpoint is tried again where the disk said EIO, which on network disks often passes."""


def commit(folder: Path, step: int, files: Mapping[str, Callable[[], bytes]]) -> Path:
    """Write the checkpoint of a step.

    Args:
        folder: RUN/checkpoints.
        step: optimizer steps done.
        files: what makes the content of each file; asked for one after the other, so that one is in memory at a time.

    Returns:
        The new checkpoint's folder.

    Raises:
        DiskError: the disk is full, refuses, or gives back other bytes; checkpoints that were there are untouched.
    """
    target, waits = at(folder, step), list(RETRY_SECONDS)
    while True:
        try:
            _write(target, files)
            return target
        except OSError as error:
            if error.errno != errno.EIO or not waits:
                raise DiskError(
                    f"{target}: the checkpoint cannot be written: {error}. Older ones are untouched"
                ) from error
        time.sleep(waits.pop(0))


def at(folder: Path, step: int) -> Path:
    """Name the checkpoint of a step."""
    return folder / f"step-{step}"


def _write(target: Path, files: Mapping[str, Callable[[], bytes]]) -> None:
    temporary, aside = temporary_beside(target), temporary_beside(target)
    if not target.parent.is_dir():
        target.parent.mkdir(parents=True)
        sync(target.parent.parent)
    try:
        temporary.mkdir()
        described = {name: _write_file(temporary / name, content()) for name, content in files.items()}
        _write_file(temporary / MANIFEST, json.dumps({"files": described}, indent=1).encode())
        faults = verify(temporary, target.name)
        if faults:
            raise OSError(errno.EIO, f"read back otherwise than written: {'; '.join(faults)}")
        if target.exists():  # it does not verify, or the run would have gone on from it
            target.rename(aside)
        replace_whole(temporary, target)
    finally:
        for left in (temporary, aside):
            shutil.rmtree(left, ignore_errors=True)


def _write_file(path: Path, content: bytes) -> dict[str, Any]:
    """Write a file through to the disk and describe it. Who reads it next gets it from the disk, not from memory."""
    left = memoryview(content)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def steps(folder: Path) -> list[int]:
    """List the steps that have a checkpoint, ascending."""
    if not folder.is_dir():
        return []
    found = (re.fullmatch(r"step-(\d+)", entry.name) for entry in folder.iterdir())
    return sorted(int(match[1]) for match in found if match)


def newest(folder: Path) -> tuple[int | None, list[str]]:
    """Find the newest checkpoint whose files match its manifest.

    Returns:
        Its step, or None where there is no checkpoint at all; and why newer ones were passed over.

    Raises:
        UnverifiedError: there are checkpoints and none of them verifies.
    """
    faults: list[str] = []
    for step in reversed(steps(folder)):
        found = verify(at(folder, step))
        if not found:
            return step, faults
        faults += found
    if faults:
        raise UnverifiedError(
            "no checkpoint matches its manifest, so there is nothing to go on from:\n" + "\n".join(faults)
        )
    return None, []


def wanted(folder: Path, step: int) -> int:
    """Return the step that was asked for, if its checkpoint matches its manifest. Another is never used instead.

    Raises:
        UnverifiedError: it does not, or is not there.
    """
    faults = verify(at(folder, step))
    if faults:
        have = ", ".join(map(str, steps(folder))) or "none"
        raise UnverifiedError("\n".join([*faults, f"Checkpoints of these steps are there: {have}"]))
    return step


def verify(folder: Path, name: str | None = None) -> list[str]:
    """Compare a checkpoint with its manifest and say what differs; an empty list means it is sound.

    Args:
        folder: the checkpoint.
        name: what it is or will be called, `step-N`; None: its folder's name.
    """
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        expected = {file: (one["bytes"], one["sha256"]) for file, one in listed.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return [f"{folder / MANIFEST}: cannot be read: {error}"]
    missing = [file for file in NEEDED if file not in expected]
    outside = [file for file in expected if Path(file).name != file]
    if missing or outside:
        told = [f"does not list {file}" for file in missing] + [f"lists {file!r}, a file elsewhere" for file in outside]
        return [f"{folder / MANIFEST}: {', '.join(told)}"]
    found = {folder / file: _fault(folder / file, *described) for file, described in expected.items()}
    faults = [f"{path}: {fault}" for path, fault in found.items() if fault]
    return faults or _step_fault(folder, name or folder.name)


def _fault(path: Path, size: int, sha256: str) -> str | None:
    try:
        found = path.stat().st_size
        if found != size:
            return f"{found} bytes, the manifest says {size}"
        return None if sha256_file(path) == sha256 else "its SHA-256 is not the manifest's"
    except (OSError, ValueError) as error:  # a name may hold what no file system takes
        return f"cannot be read: {error}"


def _step_fault(folder: Path, name: str) -> list[str]:
    """A checkpoint that was renamed would be a wrong step's."""
    try:
        step = json.loads((folder / STATE).read_text(encoding="utf-8"))["step"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        return [f"{folder / STATE}: cannot be read: {error}"]
    return [] if name == f"step-{step}" else [f"{folder / STATE}: holds step {step}"]


def keep_for_ever(folder: Path, step: int) -> None:
    """Mark the checkpoint of a step as one that is never removed.

    Raises:
        DiskError: the disk is full or refuses.
    """
    try:
        (at(folder, step) / KEPT).touch()
        sync(at(folder, step))
    except OSError as error:
        raise DiskError(f"{at(folder, step)}: cannot be marked as kept: {error}") from error


def prune(folder: Path, step: int, keep: int, keep_every: int | None) -> None:
    """Remove what is no longer kept, now that the checkpoint of `step` is sound.

    Newer ones are those that did not verify, or the run would have gone on from them: they are none of the `keep`. What
    holds a file `kept` stays.

    Args:
        keep: how many of the newest stay.
        keep_every: checkpoints of its multiples stay as well; None: of none.
    """
    for old in [other for other in steps(folder) if other <= step][:-keep]:
        if (keep_every is None or old % keep_every) and not (at(folder, old) / KEPT).exists():
            _remove(at(folder, old))


def _remove(path: Path) -> None:
    """Take the name away first: a removal that is cut leaves no half checkpoint under it."""
    gone = temporary_beside(path)
    with suppress(OSError):
        path.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def put_aside(folder: Path, step: int) -> list[Path]:
    """Rename the checkpoints after a step, so that a run that goes on from it is not overtaken by what it left.

    Returns:
        Their new places, `abandoned-step-N-*`; nothing removes them.
    """
    moved = []
    for later in [other for other in steps(folder) if other > step]:
        moved.append(at(folder, later).rename(temporary_beside(folder / f"abandoned-step-{later}")))
    return moved


def clean(folder: Path) -> None:
    """Remove what a writer that was killed has left. Only for who holds the run's lock."""
    for left in folder.glob("step-*.tmp-*"):
        shutil.rmtree(left, ignore_errors=True)
