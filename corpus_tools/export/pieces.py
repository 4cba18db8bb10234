"""What an export is made of: documents as they are, or the stretches of them that fill sequences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

import numpy as np

from corpus_tools.masking.cut import stretch_of, stretches
from corpus_tools.schema import EncodedDocument, Offsets
from corpus_tools.shards.read import ShardReader

BATCH_TOKENS: Final = 1 << 18
BATCH_ROWS: Final = 1 << 12
"""A batch ends at either bound, so memory is bounded by these and one document."""

Item = TypeVar("Item")


def shard_ranges(reader: ShardReader) -> list[tuple[int, int]]:
    """Return the documents [first, last) of each shard."""
    ends = np.cumsum([shard.rows for shard in reader.manifest.shards]).tolist()
    return list(zip([0, *ends], ends, strict=False))


def pieces(reader: ShardReader, first: int, last: int, row_tokens: int | None) -> Iterator[EncodedDocument]:
    """Yield documents [first, last), cut into stretches for sequences of `row_tokens` where that is given."""
    for document in reader.iterate(first, last):
        if row_tokens is None:
            yield document
        else:
            for start, end in stretches(len(document.ids), row_tokens):
                yield stretch_of(document, start, end)


def n_pieces(reader: ShardReader, row_tokens: int | None) -> Offsets:
    """Return how many pieces each document gives. [D]"""
    if row_tokens is None:
        return np.ones(len(reader), np.int64)
    _, room = stretches(row_tokens, row_tokens)[0]
    return -(-reader.lengths // room)


def batches(items: Iterable[tuple[int, Item]]) -> Iterator[list[Item]]:
    """Put items together, each given with its tokens, until they fill a batch."""
    batch: list[Item] = []
    tokens = 0
    for n_tokens, item in items:
        batch.append(item)
        tokens += n_tokens
        if tokens >= BATCH_TOKENS or len(batch) >= BATCH_ROWS:
            yield batch
            batch, tokens = [], 0
    if batch:
        yield batch
