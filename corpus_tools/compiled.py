"""Functions compiled to machine code by numba: without a compiler on the machine, without Python's lock.

Compiled code is kept beside the source, or in the user's cache folder where that may not be written, so the seconds
that compiling takes are spent once. NUMBA_BOUNDSCHECK=1 makes an index out of range an exception instead of a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

import numba
from numba.core import event as events

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of numbers and numpy arrays at its first call; it releases Python's lock while it runs.

    Floats keep Python's order of operations and its rounding: nothing is re-associated.
    """
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def told_when_compiling(tell: Callable[[], None]) -> AbstractContextManager[None]:
    """Call `tell` once within the context, before a function is compiled, and not where it is loaded."""
    return cast(AbstractContextManager[None], events.install_listener("numba:compile", _Once(tell)))


class _Once(events.Listener):
    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._told = False

    def on_start(self, event: events.Event) -> None:
        if not self._told:
            self._told = True
            self._tell()

    def on_end(self, event: events.Event) -> None:
        pass
