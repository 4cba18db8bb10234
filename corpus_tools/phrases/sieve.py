"""Which keys can occur often at all: counters that many keys share, so that they never say too little.

Each key has two cells; both are raised when it occurs. A key occurs at most as often as the lower of its cells says. So
what stays below a bound here is rare for certain, and only the rest is counted by itself.

Source: Park, Chen, Yu 1995, "An effective hash-based algorithm for mining association rules"; two cells as in Cormode
and Muthukrishnan 2005, "An improved data stream summary: the count-min sketch".
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.phrases.words import Keys

Cells = npt.NDArray[np.uint16]
"""A row for each key's first cell and one for its second. [2, a power of two]"""

FEWEST_CELLS: Final = 1 << 16
MOST_CELLS: Final = 1 << 26
"""Of a row: 256 MiB in all, for each worker."""
FULL: Final = 0xFFFF
"""A cell goes no further."""


def no_cells(n_bytes: int) -> Cells:
    """Make a sieve for about so many bytes of text; 0 where that is not known."""
    wanted = 1 << (4 * n_bytes).bit_length() if n_bytes else MOST_CELLS
    return np.zeros((2, min(max(wanted, FEWEST_CELLS), MOST_CELLS)), np.uint16)


@compiled
def add_cells(cells: Cells, others: Cells) -> None:
    """Add up what two workers have seen."""
    for row in range(2):
        for cell in range(cells.shape[1]):
            cells[row, cell] = min(np.int64(cells[row, cell]) + others[row, cell], FULL)


@compiled
def raise_cells(cells: Cells, keys: Keys) -> None:
    """Count each key that is not 0. keys [W, M]"""
    mask = np.uint64(cells.shape[1] - 1)
    for key in keys.flat:
        if key:
            first, second = key & mask, (key >> np.uint64(32)) & mask
            cells[0, first] += cells[0, first] < FULL
            cells[1, second] += cells[1, second] < FULL


@compiled
def clear_rare(cells: Cells, least: int, keys: Keys) -> None:
    """Set keys to 0 that occur less than `least` times for certain, or in which a shorter one does.

    keys [W, M]: of sequences of 1, 2, ... M words from each word on.
    """
    mask = np.uint64(cells.shape[1] - 1)
    least = min(least, FULL)
    for length in range(keys.shape[1]):
        for word in range(len(keys)):
            key = keys[word, length]
            if key:
                often = cells[0, key & mask] >= least and cells[1, (key >> np.uint64(32)) & mask] >= least
                if length:
                    # Sequences of the same words without the last one, and without the first.
                    often = often and keys[word, length - 1] != 0 and keys[word + 1, length - 1] != 0
                if not often:
                    keys[word, length] = 0
