"""The words of a batch that phrases are made of, and the key of every sequence of them.

A part is a run of words that are made of letters, of which Chinese characters are. Punctuation, white space, line ends,
digits and symbols end it. A phrase lies in one part.

Letters: C characters of a batch, W of its words, M words of the longest sequence.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.draw import extended
from corpus_tools.schema import WORD, Bools, Flags, Offsets
from corpus_tools.segment import Segmenter
from corpus_tools.table_cache import cached
from corpus_tools.text.batch import TextBatch
from corpus_tools.text.simplify import Simplifier

Keys = npt.NDArray[np.uint64]

LONGEST_WORD: Final = 30
"""Characters of a word at most; a longer one (a run of Latin letters) ends a part. Six words make a list's entry."""


@dataclass(frozen=True, slots=True)
class Letters:
    """Which code points are letters."""

    are: Bools
    """[0x110000]"""


def letters() -> Letters:
    """Return the table, made at the first call."""
    key = f"1 unicode {unicodedata.unidata_version}"
    return cached(Letters, key, lambda: Letters(np.array([chr(code).isalpha() for code in range(0x110000)])))


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the parts of a batch, in order."""

    keys: Keys
    """A hash of each word's characters. [W]"""
    begins: Offsets
    """First character. [W]"""
    ends: Offsets
    """One past the last character. [W]"""
    room: Offsets
    """Words from this one to the end of its part, itself included. [W]"""


def words_of(batch: TextBatch, segmenter: Segmenter, table: Letters, simplifier: Simplifier | None = None) -> Words:
    """Segment a batch, or its simplified copy, and gather the words of its parts, as the text itself has them."""
    marks = np.zeros(len(batch.codes), np.uint8)
    segmenter.mark(simplifier.batch(batch)[0] if simplifier else batch, marks)
    n_words = int(np.count_nonzero(marks & WORD))
    keys, begins, ends, room = np.empty(n_words, np.uint64), *np.empty((3, n_words), np.int64)
    n = _gather(batch.codes, batch.bounds, marks, table.are, LONGEST_WORD, keys, begins, ends, room)
    return Words(keys[:n], begins[:n], ends[:n], room[:n])


def sequence_keys(words: Words, max_words: int) -> Keys:
    """Return the key of the sequence of 1, 2, ... M words from each word on; 0 where the part has no more. [W, M]"""
    made = np.zeros((len(words.keys), max_words), np.uint64)
    _extend(words.keys, words.room, made)
    return made


@compiled
def _gather(
    codes: npt.NDArray[np.uint32], bounds: Offsets, marks: Flags, letters: Bools, longest: int, keys: Keys,
    begins: Offsets, ends: Offsets, room: Offsets,
) -> int:  # fmt: skip
    n = 0
    for text in range(len(bounds) - 1):
        at, last = bounds[text], bounds[text + 1]
        part = n  # its first word
        while at < last:
            first = at
            state = np.uint64(0)
            of_letters = True
            while at == first or (at < last and not marks[at] & WORD):
                of_letters &= letters[codes[at]]
                state = extended(state, codes[at])
                at += 1
            if of_letters and at - first <= longest:
                keys[n], begins[n], ends[n] = state, first, at
                n += 1
            if at == last or not of_letters or at - first > longest:
                for word in range(part, n):
                    room[word] = n - word
                part = n
    return n


@compiled
def _extend(words: Keys, room: Offsets, keys: Keys) -> None:
    for word in range(len(words)):
        state = np.uint64(0)
        for more in range(min(room[word], keys.shape[1])):
            state = extended(state, words[word + more])
            keys[word, more] = max(state, np.uint64(1))  # 0 says that there is no such sequence
