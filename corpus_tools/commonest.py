"""The commonest words of a shard folder, and the commonest phrases and entities of each kind, in a sample of it.

A sample, because the words of a large corpus do not fit into memory; it costs the same for a folder of any size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from corpus_tools.encode.vocabulary import Vocabulary
from corpus_tools.schema import WORD
from corpus_tools.shards.read import ShardReader

N_DOCUMENTS: Final = 1000
"""Looked at, at most."""
N_TOKENS: Final = 1000
"""Of each document, at most, from its beginning."""

Ranked = list[tuple[str, int]]
"""Texts and how often each was found, the commonest first."""

_Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Commonest:
    """What a sample holds most of."""

    documents: int
    """Looked at."""
    words: Ranked
    """Words with a letter or a Chinese character in them."""
    of_kinds: list[Ranked]
    """Phrases and entities, by kind number."""


def commonest(reader: ShardReader, n_words: int = 60, n_of_kind: int = 8) -> Commonest:
    """Look at the beginnings of documents spread evenly over a folder. The same folder gives the same.

    Args:
        reader: the documents.
        n_words: words to return, at most.
        n_of_kind: phrases or entities of each kind to return, at most.
    """
    n_documents = min(N_DOCUMENTS, len(reader))
    chosen = np.arange(n_documents) * len(reader) // max(n_documents, 1)
    words = Counter[_Ids]()
    of_kinds = [Counter[_Ids]() for _ in reader.kinds]
    for first, shard in reader.shard_by_shard():
        for number in chosen[(first <= chosen) & (chosen < first + len(shard))] - first:
            _count(shard, int(number), words, of_kinds)
    worded = {word: n for word, n in words.items() if _is_worded(word, reader.vocabulary)}
    return Commonest(
        documents=n_documents,
        words=_ranked(worded, n_words, reader.vocabulary),
        of_kinds=[_ranked(found, n_of_kind, reader.vocabulary) for found in of_kinds],
    )


def _count(reader: ShardReader, number: int, words: Counter[_Ids], of_kinds: Sequence[Counter[_Ids]]) -> None:
    """Count what the beginning of a document holds."""
    # One token more, to see whether a word ends with the last one that counts.
    flags, ids = reader.flags(number)[: N_TOKENS + 1], reader.ids(number)[:N_TOKENS].tolist()
    bounds = np.append(np.flatnonzero(flags & WORD), len(flags))
    words.update(tuple(ids[start:end]) for start, end in pairwise(bounds[bounds <= N_TOKENS].tolist()))
    for start, end, kind in reader.spans(number).tolist():
        if end <= N_TOKENS:
            of_kinds[kind][tuple(ids[start:end])] += 1


def text_of(ids: Iterable[int], vocabulary: Vocabulary) -> str:
    """Put the tokens of a word, a phrase or an entity behind each other, as they stand in the vocabulary."""
    return "".join(vocabulary.tokens[id].removeprefix("##") for id in ids)


def _is_worded(word: _Ids, vocabulary: Vocabulary) -> bool:
    """Say whether a word has letters, none of them hidden behind [UNK]: no punctuation, no number."""
    return vocabulary.unk_id not in word and any(map(str.isalpha, text_of(word, vocabulary)))


def _ranked(found: dict[_Ids, int], n: int, vocabulary: Vocabulary) -> Ranked:
    first = sorted(found, key=lambda ids: (-found[ids], ids))[:n]
    return [(text_of(ids, vocabulary), found[ids]) for ids in first]
