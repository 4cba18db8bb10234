"""What jieba knows, as arrays: its dictionary with the user's words in it, and the model that finds unknown words.

A `jieba.Tokenizer` is filled as jieba fills it and then read off, so a user word's frequency is what `suggest_freq`
says, and all that later calls to `add_word`, `del_word` and `suggest_freq` did to a tokenizer is in its tables.

Source: jieba 0.42.1, `Tokenizer` and `finalseg`.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from corpus_tools.double_array import BASE, OWNER, double_array

OTHER: Final = 0
"""Stands between blocks, a word by itself."""
HAN: Final = 1
ALPHANUMERIC: Final = 2
SIGN: Final = 3
"""One of + # & . _ % -"""
KIND_BITS: Final = 2
"""What the kernel knows of a character is symbol << KIND_BITS | kind."""

FIRST_HAN: Final = 0x4E00
LAST_HAN: Final = 0x9FD5
"""The characters that jieba calls Chinese."""

BEGIN: Final = 0
SINGLE: Final = 1
MIDDLE: Final = 2
END: Final = 3
_STATES: Final = "BSME"
"""What a character is to its word, in the model's letters and in the order of the numbers above."""
_IMPOSSIBLE: Final = -3.14e100
"""jieba's logarithm of 0. It absorbs what is added to it, so sums of it are equal now and then, and ties matter."""


NODE: Final = np.dtype([("base", np.int32), ("owner", np.int32), ("score", np.float64)])
"""A cell of the double array with the score of the word that ends there: all that a step needs, in one cache line."""


@dataclass(frozen=True, slots=True)
class JiebaTables:
    """Everything that the kernel reads. N is the number of the trie's cells."""

    characters: npt.NDArray[np.int32]
    """Symbol in the trie and kind of each code point; the last one, U+FFFF, stands for all above. [0x10000]"""
    nodes: npt.NDArray[np.void]
    """Array of NODE: the double array of the dictionary; `score` is log frequency - log total of the word that ends
    there, NaN where none does. [N]"""
    split: npt.NDArray[np.bool_]
    """Whether the word that ends at a state is one that the model must not make (its frequency is 0); empty where there
    is no such word. [N]"""
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
    words = [word for word in words if word]
    trie = double_array(words)
    scores = np.array([math.log(frequencies[word]) - log_total if frequencies[word] else np.nan for word in words])
    split = np.array([word in finalseg.Force_Split_Words for word in words], np.bool_)
    nodes = np.zeros(len(trie.cells), NODE)
    nodes["base"], nodes["owner"] = trie.cells[:, BASE], trie.cells[:, OWNER]
    # Key number NOWHERE, -1, takes the value behind the last.
    nodes["score"] = np.append(scores, np.nan)[trie.key_at]
    return JiebaTables(
        nodes=nodes,
        characters=_characters(trie.symbols),
        split=np.append(split, False)[trie.key_at] if split.any() else split[:0],
        unknown=np.array([math.log(1) - log_total]),
        starts=np.array([finalseg.start_P[state] for state in _STATES]),
        moves=np.array([[finalseg.trans_P[old].get(new, _IMPOSSIBLE) for new in _STATES] for old in _STATES]),
        emissions=_emissions(finalseg.emit_P),
    )


def _characters(symbols: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
    kinds = np.zeros(0x10000, np.int32)
    kinds[FIRST_HAN : LAST_HAN + 1] = HAN
    kinds[[ord(character) for character in string.ascii_letters + string.digits]] = ALPHANUMERIC
    kinds[[ord(character) for character in "+#&._%-"]] = SIGN
    known = np.zeros(0x10000, np.int32)
    known[: len(symbols)] = symbols[:0x10000]
    # A character between blocks is in no word, whatever the dictionary says.
    return np.where(kinds == OTHER, OTHER, known << KIND_BITS | kinds).astype(np.int32)


def _emissions(probabilities: Mapping[str, Mapping[str, float]]) -> npt.NDArray[np.float64]:
    found = np.full((LAST_HAN + 1 - FIRST_HAN, len(_STATES)), _IMPOSSIBLE)
    for column, state in enumerate(_STATES):
        for character, probability in probabilities[state].items():
            if FIRST_HAN <= ord(character) <= LAST_HAN:
                found[ord(character) - FIRST_HAN, column] = probability
    return found
