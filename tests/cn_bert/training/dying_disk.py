"""A disk that fails its writer at one call: the process is killed there, the power goes, or the call returns an error.

All that a writer of checkpoints changes goes through the functions of `os` that are replaced here, so what a test finds
afterwards is what the next start would find. `Died` stands for the end of the process: after it no call changes
anything any more, the writer's own cleaning up included.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

CALLS: Final = ("mkdir", "open", "write", "fsync", "rename", "unlink", "rmdir")


class Died(BaseException):
    """The process is gone."""


class DyingDisk:
    """Fails the `at`-th call, counted from 1; 0 fails none and counts them.

    Args:
        at: which call.
        how: "killed"; "killed in a write", after half of it; "power lost" takes away all that was not flushed; "power
            torn" leaves names but half of each unflushed file; or an error number, raised once or, with `for_good`, by
            all later calls too.
    """

    def __init__(self, at: int = 0, how: str | int = "killed", *, for_good: bool = False) -> None:
        self.at, self.how, self.for_good = at, how, for_good
        self.calls = 0
        self._dead = False
        self._paths: dict[int, Path] = {}
        self._unflushed: dict[Path, None] = {}
        """Files with content, and folders with names, that are in memory only."""
        self._renames: list[tuple[Path, Path]] = []

    def replace(self, patch: pytest.MonkeyPatch) -> DyingDisk:
        for name in CALLS:
            patch.setattr(os, name, self._watched(name, getattr(os, name)))
        return self

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self._dead:
                raise Died
            self.calls += 1
            if self.calls == self.at or (self.for_good and self.at and self.calls > self.at):
                self._fail(name, args, real)
            result = real(*args, **kwargs)
            if "dir_fd" not in kwargs:
                self._note(name, args, result)
            return result

        return call

    def _fail(self, name: str, args: tuple[Any, ...], real: Callable[..., Any]) -> None:
        if isinstance(self.how, int):
            raise OSError(self.how, os.strerror(self.how))
        if name == "write" and self.how in ("killed in a write", "power torn"):
            real(args[0], bytes(args[1])[: len(args[1]) // 2])
            self._unflushed[self._paths[args[0]]] = None
        self._dead = True
        if self.how.startswith("power"):
            self._cut_power()
        raise Died

    def _note(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        if name == "open":
            self._paths[result] = Path(args[0])
            if args[1] & os.O_CREAT:
                self._unflushed |= {Path(args[0]): None, Path(args[0]).parent: None}
        elif name == "write":
            self._unflushed[self._paths[args[0]]] = None
        elif name == "mkdir":
            self._unflushed[Path(args[0]).parent] = None
        elif name == "rename":
            self._renames.append((Path(args[0]), Path(args[1])))
        elif name == "fsync":
            flushed = self._paths[args[0]]
            self._unflushed.pop(flushed, None)
            self._renames = [(old, new) for old, new in self._renames if new.parent != flushed]

    def _cut_power(self) -> None:
        """Do to the real files what a power cut may do at worst."""
        torn = self.how == "power torn"
        if not torn:
            for old, new in reversed(self._renames):
                if new.exists():
                    _REAL["rename"](new, old)
        for path in self._unflushed:
            if path.is_file():
                os.truncate(path, path.stat().st_size // 2 if torn else 0)
                if not torn and path.parent in self._unflushed:
                    _REAL["unlink"](path)


_REAL: Final = {name: getattr(os, name) for name in CALLS}
