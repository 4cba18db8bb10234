"""Numbers of a folder, against counting one by one."""

from __future__ import annotations

import numpy as np
import pytest

from corpus_tools.schema import WORD
from corpus_tools.summary import LENGTH_EDGES, LONGEST_WORD, distributions, length_labels, word_label, word_lengths


class Shards:
    """A folder of random documents: flags alone."""

    def __init__(self, lengths):
        draw = np.random.default_rng(0)
        self.lengths = np.array(lengths, np.int64)
        self._flags = [(draw.random(length) < 0.3).astype(np.uint8) * WORD for length in lengths]
        for flags in self._flags:
            flags[0] |= WORD

    def __len__(self):
        return len(self.lengths)

    def flags(self, number):
        return self._flags[number]


def slow_word_lengths(flags):
    words = []
    for flag in flags:
        if flag & WORD:
            words.append(0)
        words[-1] += 1
    return words


def test_words_are_measured_as_one_walks_over_them():
    shards = Shards([1, 7, 200])
    for number in range(3):
        assert word_lengths(shards.flags(number)).tolist() == slow_word_lengths(shards.flags(number))


def test_every_document_and_every_word_falls_into_one_bin():
    shards = Shards([1, 32, 33, 64, 65, 512, 513, 9000])
    found = distributions(shards)
    words = [length for number in range(len(shards)) for length in slow_word_lengths(shards.flags(number))]
    assert sum(found.documents_by_length) == len(shards)
    assert found.documents_by_length[:3] == [2, 2, 1]
    assert found.documents_by_length[-1] == 1
    expected = [sum(min(length, LONGEST_WORD) == n for length in words) for n in range(1, LONGEST_WORD + 1)]
    assert found.words_by_length == expected
    assert found.words_per_document["mean"] == pytest.approx(len(words) / len(shards))


def test_an_empty_folder_has_numbers_too():
    assert sum(distributions(Shards([])).words_by_length) == 0


def test_bins_have_names():
    labels = length_labels()
    assert len(labels) == len(LENGTH_EDGES) + 1
    assert labels[0] == "1 to 32"
    assert labels[1] == "33 to 64"
    assert labels[-1] == "8,193 or more"
    assert word_label(1) == "1 token"
    assert word_label(LONGEST_WORD) == "10 tokens or more"
