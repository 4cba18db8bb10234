"""How long documents, sentences and words are, counted while a batch is at hand: no pass over the shards is needed.

Letters: D documents of a batch, L tokens.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from corpus_tools.compiled import compiled
from corpus_tools.encode.counts import LONGEST_WORD, Counts
from corpus_tools.schema import SENTENCE, WORD, Flags, Offsets

_N_OCTAVES: Final = 64


def count_lengths(flags: Flags, begins: Offsets, ends: Offsets, bounds: Offsets, counts: Counts) -> None:
    """Write the four histograms of a batch into its counts.

    Args:
        flags: of the tokens. [L]
        begins, ends: the characters of each token. [L]
        bounds: where the tokens of each document begin, and L; a document has one token at least. [D + 1]
        counts: of the batch.
    """
    documents, sentences = np.zeros((2, _N_OCTAVES), np.int64)
    words = np.zeros((LONGEST_WORD + 1, LONGEST_WORD + 1), np.int64)
    _measure(flags, begins, ends, bounds, documents, sentences, words)
    counts.documents_by_tokens = _by_octave(documents)
    counts.sentences_by_tokens = _by_octave(sentences)
    counts.words_by_tokens = _by_number(words.sum(axis=1))
    counts.words_by_characters = _by_number(words.sum(axis=0))


@compiled
def _measure(
    flags: Flags,
    begins: Offsets,
    ends: Offsets,
    bounds: Offsets,
    documents: Offsets,
    sentences: Offsets,
    words: Offsets,
) -> None:
    """Count documents and sentences by octave, words under [their tokens, their characters]."""
    for document in range(len(bounds) - 1):
        first, last = bounds[document], bounds[document + 1]
        word = sentence = first
        for token in range(first + 1, last):
            # A token that starts no word counts into [0, 0]: where words begin cannot be foreseen, and a branch on it
            # takes twice the time.
            starts = flags[token] & WORD
            n_tokens, n_characters = token - word, ends[token - 1] - begins[word]
            words[starts * min(n_tokens, LONGEST_WORD), starts * min(n_characters, LONGEST_WORD)] += 1
            word = token if starts else word
            if flags[token] & SENTENCE:
                sentences[_octave(token - sentence)] += 1
                sentence = token
        words[min(last - word, LONGEST_WORD), min(ends[last - 1] - begins[word], LONGEST_WORD)] += 1
        sentences[_octave(last - sentence)] += 1
        documents[_octave(last - first)] += 1
    words[0, 0] = 0


@compiled
def _octave(length: int) -> int:
    """Return the least n with length <= 2^n."""
    n = 0
    while length > 1 << n:
        n += 1
    return n


def _by_octave(numbers: Offsets) -> Counter[str]:
    return Counter({str(1 << n): count for n, count in enumerate(numbers.tolist()) if count})


def _by_number(numbers: Offsets) -> Counter[str]:
    return Counter({str(n): count for n, count in enumerate(numbers.tolist()) if count})
