"""The three passes over a corpus: raise the sieve, count what stays in it, look at what is left of that.

Letters: W words of a batch, M words of the longest sequence, S sequences in the table of counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpus_tools.corpus_settings import SegmentedSettings
from corpus_tools.phrases.sieve import clear_rare, no_cells, raise_cells
from corpus_tools.phrases.tally import Counted, tally
from corpus_tools.phrases.words import Keys, Words, letters, sequence_keys, words_of
from corpus_tools.schema import Bools, Document, Offsets
from corpus_tools.scratch import Scratch
from corpus_tools.text.batch import TextBatch
from corpus_tools.whole_corpus import Share

LEFT, RIGHT = 0, 1


@dataclass(frozen=True, slots=True)
class Reading:
    """How words are found, in each worker anew."""

    scratch: Scratch
    settings: SegmentedSettings
    max_words: int

    def words(self, batches: Iterator[list[Document]]) -> Iterator[tuple[TextBatch, Words, Keys]]:
        """Yield batches, their words, and the keys of their sequences [W, M]."""
        segmenter, simplifier, table = self.settings.make_segmenter(), self.settings.make_simplifier(), letters()
        for documents in batches:
            batch = TextBatch.of([document.text for document in documents])
            words = words_of(batch, segmenter, table, simplifier)
            yield batch, words, sequence_keys(words, self.max_words)


@dataclass(frozen=True, slots=True)
class FillSieve:
    """The first pass: the sieve. Returns the number of words."""

    reading: Reading
    n_bytes: int
    """Of all shares."""

    def __call__(self, share: Share, batches: Iterator[list[Document]]) -> int:
        cells, n_words = no_cells(self.n_bytes), 0
        for _, words, keys in self.reading.words(batches):
            raise_cells(cells, keys)
            n_words += len(words.keys)
        self.reading.scratch.save("cells", share.number, cells)
        return n_words


@dataclass(frozen=True, slots=True)
class CountHeld:
    """The second pass: exact counts of what the sieve holds."""

    reading: Reading
    least: int
    """Sequences that are rarer do not matter."""

    def __call__(self, share: Share, batches: Iterator[list[Document]]) -> None:
        [cells] = self.reading.scratch.blocks("sieve")

        def held() -> Iterator[Keys]:
            for _, _, keys in self.reading.words(batches):
                clear_rare(cells, self.least, keys)
                yield keys[keys != 0]

        found = tally(held())
        self.reading.scratch.save("keys", share.number, found.keys)
        self.reading.scratch.save("counts", share.number, found.counts)


@dataclass(frozen=True, slots=True)
class LookAround:
    """The third pass: how close together the words of a sequence are, what it reads, and what stands beside it."""

    reading: Reading
    least: int
    n_words: int
    min_pmi: float

    def __call__(self, share: Share, batches: Iterator[list[Document]]) -> dict[int, tuple[str, float]]:
        """Return text and PMI of the sequences that are close enough, by their number in the table."""
        scratch = self.reading.scratch
        [cells], [keys], [counts] = scratch.blocks("sieve"), scratch.blocks("often"), scratch.blocks("often_counts")
        table = Counted(keys, counts)
        bits = neighbour_bits(len(keys))
        met = _Met(counts, self.n_words, self.min_pmi)

        def neighbours() -> Iterator[Keys]:
            for batch, words, sequences in self.reading.words(batches):
                clear_rare(cells, self.least, sequences)
                places = table.places(sequences)
                for length in range(2, sequences.shape[1] + 1):
                    at = np.flatnonzero(places[:, length - 1] >= 0)
                    at = at[met.are_close(batch, words, places, at, length)]
                    yield beside(words, at, places[at, length - 1], length, bits)

        found = tally(neighbours())
        scratch.save("pairs", share.number, found.keys)
        scratch.save("pair_counts", share.number, found.counts)
        return met.close_ones


class _Met:
    """The sequences of the table that a share has shown so far."""

    def __init__(self, counts: Offsets, n_words: int, min_pmi: float) -> None:
        self._counts, self._n_words, self._min_pmi = counts, n_words, min_pmi
        self._met, self._close = np.zeros((2, len(counts)), np.bool_)
        self.close_ones: dict[int, tuple[str, float]] = {}
        """Text and PMI, by the number in the table."""

    def are_close(self, batch: TextBatch, words: Words, places: Offsets, at: Offsets, length: int) -> Bools:
        """Say which of the sequences of `length` words that begin `at` these words are close enough."""
        numbers = places[at, length - 1]
        unmet = at[~self._met[numbers]]
        new, where = np.unique(places[unmet, length - 1], return_index=True)
        first = unmet[where]
        pmi = lowest_pmi(places, self._counts, self._n_words, first, length)
        self._met[new], self._close[new] = True, pmi >= self._min_pmi
        for number, word, value in zip(new.tolist(), first.tolist(), pmi.tolist(), strict=True):
            if value >= self._min_pmi:
                text = text_at(batch, words.begins[word], words.ends[word + length - 1])
                self.close_ones[number] = text, value
        found: Bools = self._close[numbers]
        return found


def lowest_pmi(places: Offsets, counts: Offsets, n_words: int, at: Offsets, length: int) -> npt.NDArray[np.float64]:
    """Return the pointwise mutual information of sequences at their weakest joint, in bits.

    Args:
        places: of the sequences of 1, 2, ... words from each word on, in the table. [W, M]
        counts: of the table. [S]
        n_words: in all.
        at: the words at which sequences of `length` words begin.
    """
    whole = counts[places[at, length - 1]]
    pmi = np.full(len(at), np.inf)
    for head in range(1, length):
        one, other = counts[places[at, head - 1]], counts[places[at + head, length - head - 1]]
        np.minimum(pmi, np.log2(whole / one) + np.log2(n_words / other), out=pmi)
    return pmi


def beside(words: Words, at: Offsets, number: Offsets, length: int, bits: int) -> Keys:
    """Return a key for each neighbour of each sequence: its number, the side, and `bits` of the neighbour's key.

    Where the part begins or ends there is no neighbour.
    """
    before = np.maximum(at - 1, 0)
    left = (at > 0) & (words.room[before] > 1)
    right = words.room[at] > length
    slots = np.concatenate((2 * number[left] + LEFT, 2 * number[right] + RIGHT)).astype(np.uint64)
    neighbours = words.keys[np.concatenate((before[left], at[right] + length))]
    made: Keys = (slots << np.uint64(bits)) | (neighbours >> np.uint64(64 - bits))
    return made


def neighbour_bits(n_sequences: int) -> int:
    """Return how much of a neighbour's key there is room for."""
    return 64 - (2 * n_sequences).bit_length()


def text_at(batch: TextBatch, begin: int, end: int) -> str:
    """Return the text between two places of a batch."""
    return batch.codes[begin:end].tobytes().decode("utf-32-le")
