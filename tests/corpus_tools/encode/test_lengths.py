"""Histograms of a batch, against measuring one by one."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_tools.encode.counts import LONGEST_WORD, Counts
from corpus_tools.encode.lengths import count_lengths
from corpus_tools.schema import PARAGRAPH, SENTENCE, WORD


def octave(length):
    edge = 1
    while edge < length:
        edge *= 2
    return str(edge)


def slow_counts(flags, begins, ends, bounds):
    counts = Counts()
    for first, last in pairwise(bounds):
        places = range(first, last)
        starts = [place for place in places if flags[place] & SENTENCE]
        for start, end in pairwise([*starts, last]):
            counts.sentences_by_tokens[octave(end - start)] += 1
        words = [place for place in places if flags[place] & WORD]
        for start, end in pairwise([*words, last]):
            counts.words_by_tokens[str(min(end - start, LONGEST_WORD))] += 1
            counts.words_by_characters[str(min(ends[end - 1] - begins[start], LONGEST_WORD))] += 1
        counts.documents_by_tokens[octave(last - first)] += 1
    return counts


@st.composite
def batches(draw):
    """Documents of tokens of 0 to 3 characters beyond the one before, words and sentences wherever they fall."""
    lengths = draw(st.lists(st.integers(1, 40), max_size=6))
    bounds = np.cumsum([0, *lengths])
    n = int(bounds[-1])
    bits = [0, 0, WORD, WORD | SENTENCE, WORD | SENTENCE | PARAGRAPH]
    flags = np.array(draw(st.lists(st.sampled_from(bits), min_size=n, max_size=n)), np.uint8)
    flags[bounds[:-1]] = WORD | SENTENCE | PARAGRAPH
    ends = np.cumsum(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), dtype=np.int64) + 1
    begins = np.concatenate(([0], ends[:-1]))[:n]
    return flags, np.minimum(begins, ends - 1), ends, bounds


@given(batches())
def test_lengths_are_those_of_the_slow_twin(batch):
    counts = Counts()
    count_lengths(*batch, counts)
    assert counts == slow_counts(*batch)


@pytest.mark.parametrize(("length", "bin"), [(1, "1"), (2, "2"), (3, "4"), (4, "4"), (5, "8"), (64, "64"), (65, "128")])
def test_a_document_falls_under_the_power_of_two_it_reaches(length, bin):
    flags = np.zeros(length, np.uint8)
    places = np.arange(length)
    counts = Counts()
    count_lengths(flags, places, places + 1, np.array([0, length]), counts)
    assert counts.documents_by_tokens == counts.sentences_by_tokens == Counter({bin: 1})
