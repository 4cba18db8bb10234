"""The documents of the shards, or their stretches, as a data set: the shards' columns, with the kinds by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from corpus_tools.encode.encoder import Encoded
from corpus_tools.export.data_set import save_data_set
from corpus_tools.export.pieces import batches, n_pieces, pieces, shard_ranges
from corpus_tools.schema import EncodedDocument, id_type, shard_schema
from corpus_tools.shards.read import ShardReader
from corpus_tools.shards.write import record_batch


@dataclass(frozen=True, kw_only=True)
class DocumentRows:
    """Columns `id`, `source`, `ids`, `flags` and `spans`, whose `kind` is a ClassLabel: `entity:ns`, `phrase:idiom`."""

    row_tokens: int | None = None
    """Cut documents into stretches that fill sequences of so many tokens, [CLS] and [SEP] counted; None: whole."""

    def n_rows(self, reader: ShardReader) -> int:
        """Return how many documents or stretches there are."""
        return int(n_pieces(reader, self.row_tokens).sum())

    def n_bytes(self, reader: ShardReader) -> int:
        """Return the bytes of the shards: the columns are the same."""
        return reader.manifest.bytes

    def write(self, reader: ShardReader, place: Path, wrote: Callable[[int], None]) -> None:
        """Write the folder `place`, a file for each shard."""
        features = document_features(reader)
        parts = [self._batches(reader, first, last, features.arrow_schema) for first, last in shard_ranges(reader)]
        save_data_set(place, features, parts, wrote, reader=reader, made_with=asdict(self))

    def _batches(self, reader: ShardReader, first: int, last: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        found = pieces(reader, first, last, self.row_tokens)
        for some in batches((len(piece.ids), piece) for piece in found):
            yield record_batch([_columns(some)], shard_schema(reader.vocabulary.size)).cast(schema)


def document_features(reader: ShardReader) -> Any:
    """Return the `datasets.Features` of the columns of a shard."""
    from datasets import ClassLabel, Features, List, Value  # takes seconds

    kinds = ClassLabel(names=[f"{kind['mark']}:{kind['name']}" for kind in reader.kinds])
    return Features(
        {
            "id": Value("string"),
            "source": Value("string"),
            "ids": List(Value(id_type(reader.vocabulary.size).name)),
            "flags": List(Value("uint8")),
            "spans": List({"start": Value("uint32"), "end": Value("uint32"), "kind": kinds}),
        }
    )


def _columns(documents: list[EncodedDocument]) -> Encoded:
    return Encoded(
        names=[document.id for document in documents],
        sources=[document.source for document in documents],
        ids=np.concatenate([document.ids for document in documents]),
        flags=np.concatenate([document.flags for document in documents]),
        bounds=np.cumsum([0, *(len(document.ids) for document in documents)]),
        spans=np.concatenate([document.spans for document in documents]),
        span_bounds=np.cumsum([0, *(len(document.spans) for document in documents)]),
    )
