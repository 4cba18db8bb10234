"""What jieba knows, as arrays: its dictionary with the user's words in it, and the model that finds unknown words.

A `jieba.Tokenizer` is filled as jieba fills it and then read off, so a user word's frequency is what `suggest_freq`
says, and all that later calls to `add_word`, `del_word` and `suggest_freq` did to a tokenizer is in its tables.

Source: jieba 0.42.1, `Tokenizer` and `finalseg`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from corpus_tools.double_array import NOWHERE, double_array

FIRST_HAN: Final = 0x4E00
LAST_HAN: Final = 0x9FD5
"""The characters that jieba calls Chinese."""

_STATES: Final = "BMES"
"""A character begins a word, is in the middle of one, ends one, or is one."""
_IMPOSSIBLE: Final = -3.14e100
"""jieba's logarithm of 0. It absorbs what is added to it, so sums of it are equal now and then, and ties matter."""


@dataclass(frozen=True, slots=True)
class JiebaTables:
    """Everything that the kernel reads. N is the number of the trie's cells."""

    cells: npt.NDArray[np.int32]
    """[N, 2]"""
    symbols: npt.NDArray[np.uint16]
    """[code points]"""
    scores: npt.NDArray[np.float64]
    """log frequency - log total of the word that ends at a state, NaN where none does. [N]"""
    split: npt.NDArray[np.bool_]
    """Whether the word that ends at a state is one that the model must not make (its frequency is 0). [N]"""
    unknown: npt.NDArray[np.float64]
    """The score of a character that is in no word, as the only entry. [1]"""
    starts: npt.NDArray[np.float64]
    """Log probability of the first state. [4]"""
    moves: npt.NDArray[np.float64]
    """From the first state to the second. [4, 4]"""
    emissions: npt.NDArray[np.float64]
    """Of each Chinese character in each state. [characters from FIRST_HAN on, 4]"""


def jieba_tables(tokenizer: Any, finalseg: Any) -> JiebaTables:
    """Read off a `jieba.Tokenizer` and the module `jieba.finalseg`."""
    frequencies: dict[str, int] = tokenizer.FREQ
    log_total = math.log(tokenizer.total)
    # All others can only be prefixes, and those come by themselves.
    words = [word for word, frequency in frequencies.items() if frequency or word in finalseg.Force_Split_Words]
    trie = double_array([word for word in words if word])
    scores, split = np.full(len(trie.cells), np.nan), np.zeros(len(trie.cells), np.bool_)
    for state in np.flatnonzero(trie.key_at != NOWHERE).tolist():
        word = words[trie.key_at[state]]
        if frequencies[word]:
            scores[state] = math.log(frequencies[word]) - log_total
        split[state] = word in finalseg.Force_Split_Words
    return JiebaTables(
        cells=trie.cells,
        symbols=trie.symbols,
        scores=scores,
        split=split,
        unknown=np.array([math.log(1) - log_total]),
        starts=np.array([finalseg.start_P[state] for state in _STATES]),
        moves=np.array([[finalseg.trans_P[old].get(new, _IMPOSSIBLE) for new in _STATES] for old in _STATES]),
        emissions=_emissions(finalseg.emit_P),
    )


def _emissions(probabilities: Mapping[str, Mapping[str, float]]) -> npt.NDArray[np.float64]:
    found = np.full((LAST_HAN + 1 - FIRST_HAN, len(_STATES)), _IMPOSSIBLE)
    for column, state in enumerate(_STATES):
        for character, probability in probabilities[state].items():
            if FIRST_HAN <= ord(character) <= LAST_HAN:
                found[ord(character) - FIRST_HAN, column] = probability
    return found
