"""Masks drawn once and written down, several for each sequence: how BERT itself was trained.

Every copy goes through all sequences under a key of its own, as epochs do. A sequence is [CLS], a stretch of one
document, [SEP]; there are no sentence pairs.
Source: `dupe_factor` of create_pretraining_data.py, google-research/bert.
Ours: the rows stand in the order of the shards, copy after copy; they are not shuffled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from corpus_tools.errors import SettingsError
from corpus_tools.export.data_set import save_data_set
from corpus_tools.export.pieces import batches, n_pieces, shard_ranges
from corpus_tools.masking import Masker, build_masker, filled_settings, masking_settings
from corpus_tools.masking.cut import N_SPECIAL, Sequence, cut, end_to_end
from corpus_tools.schema import id_type
from corpus_tools.shards.read import ShardReader

Named = tuple[str, Sequence]
"""A sequence and the id of its document."""


@dataclass(frozen=True, kw_only=True)
class StaticMasks:
    """Columns `id`, `input_ids`, `token_type_ids` and `labels`, -100 where nothing is predicted.

    The n-th sequence of the folder has in copy c the mask of the key (seed, c, n); `audit` counts the masks of copy 0.
    """

    masking: str = "wwm"
    """A file of configs/masking, or a path to one."""
    row_tokens: int = 512
    """The most tokens of a sequence, [CLS] and [SEP] counted, from 3 up."""
    dupe_factor: int = 10
    """Copies of each sequence, each with a mask of its own; at least 1."""
    seed: int = 0
    """Of the draws."""

    def __post_init__(self) -> None:
        filled_settings(masking_settings(self.masking))  # which looks at all of them
        if self.dupe_factor < 1:
            raise SettingsError(f"export.dupe_factor: {self.dupe_factor} copies; 1 is the least")

    def n_rows(self, reader: ShardReader) -> int:
        """Return how many masked sequences there will be."""
        return self.dupe_factor * int(n_pieces(reader, self.row_tokens).sum())

    def n_bytes(self, reader: ShardReader) -> int:
        """Return about how many bytes the columns take."""
        n_tokens = self.dupe_factor * int(reader.lengths.sum()) + N_SPECIAL * self.n_rows(reader)
        return n_tokens * (id_type(reader.vocabulary.size).itemsize + np.dtype(np.uint8).itemsize + 4)

    def write(self, reader: ShardReader, place: Path, wrote: Callable[[int], None]) -> None:
        """Write the folder `place`, a file for each copy of each shard."""
        settings = masking_settings(self.masking)
        masker = build_masker(settings, reader.vocabulary)
        features = masked_features(reader)
        before = np.concatenate(([0], np.cumsum(n_pieces(reader, self.row_tokens))))
        parts = [
            self._batches(reader, masker, first, last, copy, int(before[first]), features.arrow_schema)
            for copy in range(self.dupe_factor)
            for first, last in shard_ranges(reader)
        ]
        made_with = asdict(self) | {"masking": filled_settings(settings)}
        save_data_set(place, features, parts, wrote, reader=reader, made_with=made_with)

    def _batches(
        self, reader: ShardReader, masker: Masker, first: int, last: int, copy: int, number: int, schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        """Yield the masked sequences of documents [first, last), the first of which has this number."""
        for some in batches(self._sequences(reader, first, last)):
            whole, bounds = end_to_end([sequence for _, sequence in some])
            keys = np.array([(self.seed, copy, number + n) for n in range(len(some))])
            drawn = masker.draw_all(whole.ids, whole.flags, bounds, whole.spans, keys)
            number += len(some)
            columns = (drawn.ids, np.zeros(len(whole.ids), np.uint8), drawn.labels(whole.ids).astype(np.int32))
            lists = [pa.ListArray.from_arrays(bounds.astype(np.int32), pa.array(column)) for column in columns]
            yield pa.record_batch([pa.array([name for name, _ in some], pa.string()), *lists], schema=schema)

    def _sequences(self, reader: ShardReader, first: int, last: int) -> Iterator[tuple[int, Named]]:
        vocabulary = reader.vocabulary
        for document in reader.iterate(first, last):
            for sequence in cut(document, self.row_tokens, vocabulary.cls_id, vocabulary.sep_id):
                yield len(sequence.ids), (document.id, sequence)


def masked_features(reader: ShardReader) -> Any:
    """Return the `datasets.Features` of masked sequences."""
    from datasets import Features, List, Value  # takes seconds

    return Features(
        {
            "id": Value("string"),
            "input_ids": List(Value(id_type(reader.vocabulary.size).name)),
            "token_type_ids": List(Value("uint8")),
            "labels": List(Value("int32")),
        }
    )
