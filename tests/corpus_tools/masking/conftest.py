"""A vocabulary with every kind of entry, and sequences of words and entities."""

from dataclasses import dataclass

import numpy as np
import pytest

from corpus_tools.schema import ENTITY, IN_ENTITY, IN_PHRASE, PHRASE, SPECIAL, WORD, Bools

VOCABULARY_SIZE = 2000


@dataclass(frozen=True)
class FakeVocabulary:
    size: int
    mask_id: int
    special: Bools
    unused: Bools
    continued_han: Bools


def _ids(*ranges):
    which = np.zeros(VOCABULARY_SIZE, bool)
    for start, end in ranges:
        which[start:end] = True
    return which


@pytest.fixture(scope="session")
def vocabulary():
    """[PAD], 99 unused, [UNK] [CLS] [SEP] [MASK], characters, and from 1400 on `##` with a character."""
    return FakeVocabulary(VOCABULARY_SIZE, 103, _ids((0, 1), (100, 104)), _ids((1, 100)), _ids((1400, 2000)))


@pytest.fixture
def sequence():
    """Return a function that makes [CLS] A [SEP] B [SEP] of a seed: ids and flags, words, phrases and entities."""

    def make(seed, length=512):
        draw = np.random.default_rng(seed)
        ids = draw.integers(104, 1400, size=length).astype(np.uint16)
        flags = np.zeros(length, np.uint8)
        words = np.cumsum(draw.choice([1, 2, 3, 4], p=[0.45, 0.43, 0.07, 0.05], size=length))
        flags[words[words < length]] |= WORD
        for first, inside, share in ((PHRASE, IN_PHRASE, 0.01), (ENTITY, IN_ENTITY, 0.02)):
            free = 1
            for start in np.flatnonzero(draw.random(length) < share):
                if start >= free:
                    free = start + int(draw.integers(2, 7))
                    flags[start] |= first
                    flags[start:free] |= inside
        middle = length // 3
        for place, special in ((0, 101), (middle, 102), (length - 1, 102)):
            flags[place], ids[place] = SPECIAL, special
        return ids, flags

    return make
