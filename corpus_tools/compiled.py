"""Functions compiled to machine code by numba: without a compiler on the machine, without Python's lock.

Compiled code is kept beside the source, or in the user's cache folder where that may not be written, so the seconds
that compiling takes are spent once. NUMBA_BOUNDSCHECK=1 makes an index out of range an exception instead of a crash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of numbers and numpy arrays at its first call; it releases Python's lock while it runs.

    Floats keep Python's order of operations and its rounding: nothing is re-associated.
    """
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
