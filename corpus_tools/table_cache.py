"""Tables that take seconds to make and follow from their inputs alone, kept in a folder of the user's own.

$XDG_CACHE_HOME/cn-bert or ~/.cache/cn-bert; removing it costs the seconds again and nothing else. A folder that others
may write to is not believed: whoever can put a dictionary there decides every later segmentation.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

Tables = TypeVar("Tables")

PRIVATE: Final = 0o700
_log = logging.getLogger(__name__)


def cached(kind: type[Tables], key: str, make: Callable[[], Tables]) -> Tables:
    """Load the tables that were made of the inputs that `key` names, or make and keep them.

    Args:
        kind: a dataclass with nothing but numpy arrays in it.
        key: everything that decides the tables' content: versions, hashes of files.
        make: makes them.

    Returns:
        The tables with read-only arrays, mapped from disk where they are kept: processes share their memory.
    """
    folder = _private_folder()
    if folder is None:
        return _read_only(make())
    place = folder / f"{kind.__name__}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    try:
        return _load(kind, place)
    except (OSError, ValueError, EOFError):
        made = make()
        _keep(made, place)
        return _read_only(made)


def _private_folder() -> Path | None:
    """Return the cache folder, made if need be, or None where there can be none that is ours alone."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "cn-bert"
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        _log.warning("%s: others may write there, so it is not used. Make it your own: chmod 700 %s", folder, folder)
        return None
    return folder


def _load(kind: type[Tables], place: Path) -> Tables:
    arrays = {
        field.name: np.asarray(np.load(place / f"{field.name}.npy", mmap_mode="r", allow_pickle=False))
        for field in fields(kind)  # type: ignore[arg-type]
    }
    return kind(**arrays)


def _keep(made: Any, place: Path) -> None:
    """Write the tables, whole or not at all. A disk that refuses costs speed only."""
    try:
        temporary = Path(tempfile.mkdtemp(prefix="tmp-", dir=place.parent))
        try:
            for field in fields(made):
                with (temporary / f"{field.name}.npy").open("wb") as file:
                    np.save(file, getattr(made, field.name), allow_pickle=False)
                    file.flush()
                    os.fsync(file.fileno())
            shutil.rmtree(place, ignore_errors=True)  # a damaged one, or one that another process has just made
            temporary.rename(place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        _log.info("%s: tables are not kept: %s", place, error)


def _read_only(made: Tables) -> Tables:
    """As they are loaded, so that compiled functions know one kind of array only."""
    for field in fields(made):  # type: ignore[arg-type]
        getattr(made, field.name).flags.writeable = False
    return made
