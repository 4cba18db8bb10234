"""Put candidates together that are as similar as asked: the first of a cluster stays, also at the end of a chain.

Letters: P candidates, in the order of the input; V numbers of all their sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.schema import Bools, Offsets
from corpus_tools.scratch import Rows

MOST_COMPARED: Final = 64
"""Of a band's documents with one key, each is compared with so many before it. Without a bound, a page that a site
repeats a million times with small changes would be 10^12 comparisons; its copies find each other in chains anyway."""

Sets = npt.NDArray[np.uint32]


def equal_keys(keys: npt.NDArray[np.uint64]) -> tuple[Offsets, Bools]:
    """Sort keys and say which is equal to the one before it: (order, repeats). Equal ones keep their order."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    repeats = np.zeros(len(keys), np.bool_)
    np.equal(ordered[1:], ordered[:-1], out=repeats[1:])
    return order, repeats


def in_company(keys: npt.NDArray[np.uint64]) -> Bools:
    """Say which keys occur more than once."""
    order, repeats = equal_keys(keys)
    found = np.zeros(len(keys), np.bool_)
    found[order[repeats]] = True
    found[order[:-1][repeats[1:]]] = True
    return found


def cluster(bands: Iterator[npt.NDArray[np.uint64]], sets: Rows, near: float) -> Offsets:
    """Cluster the candidates.

    Args:
        bands: the keys of the candidates, band by band. each [P]
        sets: the shingles of each candidate as a sorted set. [P]
        near: least Jaccard similarity of two that belong together.

    Returns:
        the first candidate of the cluster that each is in, itself where that is it. [P]
    """
    parent = np.arange(len(sets.bounds) - 1)
    for keys in bands:
        order, repeats = equal_keys(keys)
        _join(order, repeats, MOST_COMPARED, sets.values, sets.bounds, near, parent)
    while (parent[parent] != parent).any():
        parent = parent[parent]
    return parent


def similarity(sets: Rows, one: int, other: int) -> float:
    """Return the Jaccard similarity of two candidates."""
    return _similarity(sets.values, sets.bounds, one, other)


@compiled
def _join(
    order: Offsets, repeats: Bools, most: int, values: Sets, bounds: Offsets, near: float, parent: Offsets
) -> None:
    first = 0
    for at in range(1, len(order)):
        if not repeats[at]:
            first = at
        for before in range(at - 1, max(first, at - most) - 1, -1):
            a, b = order[before], order[at]
            one, other = _root(parent, a), _root(parent, b)
            sizes = bounds[a + 1] - bounds[a], bounds[b + 1] - bounds[b]
            # Sets of such sizes cannot be alike enough, whatever is in them.
            if one == other or min(sizes) < near * max(sizes):
                continue
            if _similarity(values, bounds, a, b) >= near:
                parent[max(one, other)] = min(one, other)


@compiled
def _root(parent: Offsets, member: int) -> int:
    while parent[member] != member:
        parent[member] = parent[parent[member]]
        member = parent[member]
    return member


@compiled
def _similarity(values: Sets, bounds: Offsets, one: int, other: int) -> float:
    """Return the size of the sets' intersection over that of their union; 0 where both are empty."""
    a, a_end = bounds[one], bounds[one + 1]
    b, b_end = bounds[other], bounds[other + 1]
    total = a_end - a + b_end - b
    shared = 0
    while a < a_end and b < b_end:
        if values[a] == values[b]:
            shared += 1
            a += 1
            b += 1
        elif values[a] < values[b]:
            a += 1
        else:
            b += 1
    return shared / (total - shared) if total else 0.0
