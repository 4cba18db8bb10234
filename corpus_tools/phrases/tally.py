"""Exact counts of 64-bit keys, as two sorted arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from corpus_tools.phrases.words import Keys
from corpus_tools.schema import Offsets

HELD: Final = 1 << 22
"""So many keys are gathered before they are sorted in."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Keys and how often each occurs."""

    keys: Keys
    """Sorted, each once."""
    counts: Offsets

    def __add__(self, other: Counted) -> Counted:
        """Add up the counts of both."""
        keys = np.concatenate((self.keys, other.keys))
        order = np.argsort(keys, kind="stable")  # in linear time, as both halves are sorted
        keys = keys[order]
        first = np.flatnonzero(np.concatenate((np.ones(min(1, len(keys)), np.bool_), keys[1:] != keys[:-1])))
        counts = np.concatenate((self.counts, other.counts))[order]
        return Counted(keys[first], np.add.reduceat(counts, first) if len(first) else counts)

    def at_least(self, least: int) -> Counted:
        """Return those that occur `least` times or more."""
        often = self.counts >= least
        return Counted(self.keys[often], self.counts[often])

    def places(self, keys: Keys) -> Offsets:
        """Return where keys stand in `keys`, -1 for those that do not. 0 is no key. Any shape."""
        found = np.full(keys.shape, -1)
        if len(self.keys):
            asked = keys[keys != 0]
            places = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
            found[keys != 0] = np.where(self.keys[places] == asked, places, -1)
        return found


def counted(keys: Keys) -> Counted:
    """Count keys."""
    return Counted(*np.unique(keys, return_counts=True))


def tally(arrays: Iterable[Keys]) -> Counted:
    """Count keys that come array by array."""
    total, held, n_held = counted(np.zeros(0, np.uint64)), [], 0
    for keys in arrays:
        held.append(keys)
        n_held += len(keys)
        if n_held >= HELD:
            total, held, n_held = total + counted(np.concatenate(held)), [], 0
    return total + counted(np.concatenate(held)) if held else total
