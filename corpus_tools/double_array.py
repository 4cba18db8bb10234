"""A set of strings as a double array: a trie in which a step from a prefix to a longer one is one look-up.

A state is a prefix; state 0 is the empty one. From state s the symbol c leads to t = base[s] + c if owner[t] == s, and
nowhere else. Both numbers of a cell lie side by side, so a step touches one cache line.

Letters: K keys, N cells, A the size of the alphabet. Symbols run from 1; symbol 0 stands for every character that no
key has, and leads nowhere.

Source: J. Aoe 1989, "An efficient digital search algorithm by using a double-array structure".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled

Int32s = npt.NDArray[np.int32]

ROOT: Final = 0
NOWHERE: Final = -1

BASE: Final = 0
OWNER: Final = 1
"""The two numbers of a cell. A free cell is owned by NOWHERE and has base 0, as a state without continuations has."""

CROWDED: Final = 256
"""So many free cells looked at in vain: the search for the next family of about this size begins behind them."""
SIZE_CLASSES: Final = 21


@dataclass(frozen=True, slots=True)
class DoubleArray:
    """The trie of some keys."""

    cells: Int32s
    """BASE and OWNER of each state. [N, 2]"""
    key_at: Int32s
    """The number of the key that ends at a state, NOWHERE where none does. [N]"""
    symbols: npt.NDArray[np.uint32]
    """The symbol of each code point; those behind the last one have none. [code points]"""


@compiled
def step(cells: Int32s, state: int, symbol: int) -> int:
    """Return the state that a symbol leads to, NOWHERE where no key goes on with it."""
    to = cells[state, BASE] + symbol
    return to if cells[to, OWNER] == state else NOWHERE


@compiled
def symbol_of(symbols: npt.NDArray[np.uint32], code: int) -> int:
    """Return the symbol of a code point, 0 where no key has it."""
    return symbols[code] if code < len(symbols) else 0


def double_array(keys: Sequence[str]) -> DoubleArray:
    """Build the trie of some keys. A million take a few seconds.

    Raises:
        ValueError: a key is empty or stands twice.
    """
    if len(set(keys)) < len(keys) or "" in keys:
        raise ValueError("the keys of a double array are different from each other and not empty")
    lengths = np.fromiter(map(len, keys), np.int64, len(keys))
    bounds = np.concatenate(([0], np.cumsum(lengths)))
    codes = code_points("".join(keys))
    symbols = _symbols(codes)
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
    cells, key_at = _place(codes, bounds, order, symbols)
    return DoubleArray(cells, key_at, symbols)


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """Return the code points of a text. [characters]"""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _symbols(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Number the characters from 1, the commonest first, so that the largest families lie close together."""
    counts = np.bincount(codes) if len(codes) else np.zeros(1, np.int64)
    used = np.flatnonzero(counts)
    symbols = np.zeros(len(counts), np.uint32)
    symbols[used[np.argsort(-counts[used], kind="stable")]] = np.arange(1, len(used) + 1)
    return symbols


@compiled
def _count_states(codes: npt.NDArray[np.uint32], bounds: npt.NDArray[np.int64], order: npt.NDArray[np.int64]) -> int:
    """Count the prefixes of all keys. `order` has the keys sorted."""
    n_states = 1
    for at in range(len(order)):
        key = order[at]
        length = bounds[key + 1] - bounds[key]
        shared = 0
        if at > 0:
            before = order[at - 1]
            most = min(length, bounds[before + 1] - bounds[before])
            while shared < most and codes[bounds[key] + shared] == codes[bounds[before] + shared]:
                shared += 1
        n_states += length - shared
    return n_states


@compiled
def _place(
    codes: npt.NDArray[np.uint32],
    bounds: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
    symbols: npt.NDArray[np.uint32],
) -> tuple[Int32s, Int32s]:
    """Find a place for every prefix: the shorter first, of one length those with the most continuations first.

    A family is the prefixes that one symbol more makes of one prefix. `order` has the keys sorted, so a family's keys
    are [first, last) of it.
    """
    n_symbols = int(symbols.max()) + 1
    n_states = _count_states(codes, bounds, order)
    size = n_states + n_states // 4 + 2 * n_symbols
    cells, key_at = np.zeros((size, 2), np.int32), np.full(size, NOWHERE, np.int32)
    cells[1:, OWNER] = NOWHERE
    cells[ROOT, BASE] = 1  # also without keys: the root owns its own cell, so no symbol may lead back to it
    # The free cells are a ring through cell 0, in order of their places.
    after, before = np.arange(1, size + 1), np.arange(-1, size - 1)
    after[size - 1], before[0] = 0, size - 1
    # Where the search for a family begins, by the binary logarithm of its size: small ones fit where large ones do not.
    search_from = np.zeros(SIZE_CLASSES, np.int64)
    highest = 1

    level = np.zeros((min(1, len(order)), 3), np.int64)
    level[:, 2] = len(order)  # all keys are the root's family
    depth = 0
    children = np.empty(n_symbols, np.int64)
    begins = np.empty(n_symbols + 1, np.int64)
    while len(level):
        sizes = np.zeros(len(level), np.int64)
        for number in range(len(level)):
            state, first, last = level[number]
            if bounds[order[first] + 1] - bounds[order[first]] == depth:
                key_at[state] = order[first]
                first += 1
                level[number, 1] = first
            previous = -1
            for at in range(first, last):
                symbol = symbols[codes[bounds[order[at]] + depth]]
                sizes[number] += symbol != previous
                previous = symbol

        below = np.empty((sizes.sum(), 3), np.int64)
        n_below = 0
        for number in np.argsort(-sizes, kind="mergesort"):
            state, first, last = level[number]
            n_children = 0
            previous = -1
            for at in range(first, last):
                symbol = symbols[codes[bounds[order[at]] + depth]]
                if symbol != previous:
                    children[n_children], begins[n_children] = symbol, at
                    n_children += 1
                    previous = symbol
            begins[n_children] = last
            if n_children == 0:
                continue

            lowest = children[:n_children].min()
            size_class = int(np.log2(n_children))
            cell = after[search_from[size_class]]
            passed = 0
            while True:
                if cell == 0 or cell + n_symbols >= size:
                    cells, key_at, after, before = _grow(cells, key_at, after, before)
                    cell = size if cell == 0 else cell
                    size *= 2
                base = cell - lowest
                fits = base > 0
                for child in children[:n_children]:
                    fits = fits and cells[base + child, OWNER] == NOWHERE
                if fits:
                    break
                cell = after[cell]
                passed += 1
            if passed > CROWDED:
                search_from[size_class] = before[cell]

            cells[state, BASE] = base
            highest = max(highest, base)
            for child_number in range(n_children):
                to = base + children[child_number]
                cells[to, OWNER] = state
                after[before[to]], before[after[to]] = after[to], before[to]
                for each in range(SIZE_CLASSES):
                    if search_from[each] == to:
                        search_from[each] = before[to]
                below[n_below] = (to, begins[child_number], begins[child_number + 1])
                n_below += 1
        level = below
        depth += 1

    # Long enough that no step leaves the arrays, whatever symbol it takes.
    end = highest + n_symbols
    return cells[:end].copy(), key_at[:end].copy()


@compiled
def _grow(
    cells: Int32s, key_at: Int32s, after: npt.NDArray[np.int64], before: npt.NDArray[np.int64]
) -> tuple[Int32s, Int32s, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Double the room; the new cells join the ring of the free ones behind the old."""
    size = len(key_at)
    new_cells, new_keys = np.zeros((2 * size, 2), np.int32), np.full(2 * size, NOWHERE, np.int32)
    new_cells[size:, OWNER] = NOWHERE
    new_after, new_before = np.arange(1, 2 * size + 1), np.arange(-1, 2 * size - 1)
    new_cells[:size], new_keys[:size] = cells, key_at
    new_after[:size], new_before[:size] = after, before
    last = before[0]
    new_after[last], new_before[size] = size, last
    new_after[2 * size - 1], new_before[0] = 0, 2 * size - 1
    return new_cells, new_keys, new_after, new_before
