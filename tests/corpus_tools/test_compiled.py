"""Compiling is told once, and only where it happens."""

from __future__ import annotations

import numba

from corpus_tools.compiled import told_when_compiling


def test_compiling_is_told_once_and_loading_never():
    told = []
    one, other = numba.njit(lambda number: number + 1), numba.njit(lambda number: number + 2)
    with told_when_compiling(lambda: told.append("compiling")):
        assert told == []
        assert one(1) + other(1) == 5
    assert told == ["compiling"]
    with told_when_compiling(lambda: told.append("again")):
        assert one(2) + other(2) == 7
    assert told == ["compiling"]


def test_nobody_is_told_afterwards():
    told = []
    with told_when_compiling(lambda: told.append("compiling")):
        pass
    numba.njit(lambda number: number + 3)(1)
    assert told == []
