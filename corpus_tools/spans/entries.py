"""Strings with a kind each, as a trie: the entries of lists and the tagged words of a dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpus_tools.double_array import NOWHERE, double_array


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries as a trie of N cells."""

    cells: npt.NDArray[np.int32]
    """[N, 2]"""
    symbols: npt.NDArray[np.uint32]
    """[code points]"""
    kinds: npt.NDArray[np.int32]
    """The kind of the entry that ends at a state, NOWHERE where none does. [N]"""

    @classmethod
    def of(cls, kind_of: Mapping[str, int]) -> Entries:
        """Build the trie of some strings and the numbers of their kinds."""
        trie = double_array(list(kind_of))
        # A state without an entry has key number NOWHERE, -1, which takes the value behind the last.
        kinds = np.array([*kind_of.values(), NOWHERE], np.int32)[trie.key_at]
        return cls(trie.cells, trie.symbols, kinds)
