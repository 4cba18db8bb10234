"""A few documents of words, phrases and entities, as a shard reader would give them."""

from __future__ import annotations

import numpy as np

from corpus_tools.encode.vocabulary import SPECIALS, Vocabulary
from corpus_tools.schema import (
    ENTITY,
    IN_ENTITY,
    IN_PHRASE,
    PARAGRAPH,
    PHRASE,
    SENTENCE,
    SPAN_DTYPE,
    WORD,
    EncodedDocument,
)

CHARACTERS = [chr(0x4E00 + n) for n in range(400)]
LATIN = [f"{letter}{n}" for letter in "xyz" for n in range(30)]
HOSTILE = ["\u202e", "\x1b[31m", "<script>"]
TOKENS = [*SPECIALS, "[unused1]", "[unused2]", *CHARACTERS, *LATIN, *HOSTILE, *(f"##{c}" for c in CHARACTERS)]
KINDS = [{"name": "place", "mark": "entity"}, {"name": "idiom", "mark": "phrase"}]


class MarkedDocuments:
    """Stands in for a ShardReader."""

    kinds = KINDS

    def __init__(self, documents):
        self.vocabulary = Vocabulary(TOKENS)
        self._documents = documents

    def __len__(self):
        return len(self._documents)

    def document(self, number):
        return self._documents[number]

    def shard_by_shard(self):
        """Give the documents as shards of two."""
        for first in range(0, len(self), 2):
            yield first, MarkedDocuments(self._documents[first : first + 2])

    def ids(self, number):
        return self._documents[number].ids

    def flags(self, number):
        return self._documents[number].flags

    def spans(self, number):
        return self._documents[number].spans


def document(name, words, spans=(), source="a.txt"):
    """Make a document of words, each a list of tokens, and (start, end, kind) of phrases and entities over tokens."""
    flags = np.zeros(sum(map(len, words)), np.uint8)
    flags[np.cumsum([0, *map(len, words[:-1])])] = WORD
    flags[0] |= SENTENCE | PARAGRAPH
    for start, end, kind in spans:
        first, inside = (ENTITY, IN_ENTITY) if KINDS[kind]["mark"] == "entity" else (PHRASE, IN_PHRASE)
        flags[start] |= first
        flags[start:end] |= inside
    ids = np.array([TOKENS.index(token) for word in words for token in word], np.uint16)
    return EncodedDocument(name, source, ids, flags, np.array(list(spans), SPAN_DTYPE))


def random_documents(n, seed=0, n_words=150):
    """Make documents of words of 1 to 4 characters with phrases and entities over them, some cutting words."""
    draw = np.random.default_rng(seed)
    made = []
    for number in range(n):
        lengths = draw.choice([1, 2, 3, 4], p=[0.45, 0.43, 0.07, 0.05], size=n_words)
        words = [[CHARACTERS[c] for c in draw.integers(0, 400, size=length)] for length in lengths]
        spans = []
        for kind, step in ((0, 30), (1, 45)):
            starts = np.arange(3, int(lengths.sum()) - 10, step) + draw.integers(0, 8)
            spans += [(int(start), int(start + draw.integers(2, 7)), kind) for start in starts]
        made.append(document(f"d{number}", words, sorted(spans)))
    return MarkedDocuments(made)
