"""Read shards: any document by its number, as views of the mapped files. Nothing is copied but spans.

Letters: D documents of a folder, L tokens of a document.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpus_tools.encode.vocabulary import Vocabulary, load_vocabulary
from corpus_tools.errors import DataError
from corpus_tools.schema import NO_SPANS, SPAN_DTYPE, EncodedDocument, Flags, Ids, Spans, shard_schema
from corpus_tools.shards.manifest import TOKENIZER, Manifest, load_manifest

AGAIN = "Copy it again, or run the build again, which makes it anew"


@dataclass(frozen=True, slots=True)
class _Batch:
    """One record batch: its columns as arrays over the mapped file."""

    names: pa.StringArray
    sources: pa.StringArray
    ids: Ids
    flags: Flags
    token_offsets: npt.NDArray[np.int32]
    """Document i of the batch has tokens [token_offsets[i], token_offsets[i + 1])."""
    span_starts: npt.NDArray[np.uint32]
    span_ends: npt.NDArray[np.uint32]
    span_kinds: npt.NDArray[np.uint8]
    span_offsets: npt.NDArray[np.int32]


class ShardReader:
    """The documents of a shard folder by number, 0 to D - 1, in the order of the shards. Made by `open_shards`."""

    def __init__(self, folder: Path, manifest: Manifest, vocabulary: Vocabulary, batches: list[_Batch]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.vocabulary = vocabulary
        self._batches = batches
        rows = [len(batch.token_offsets) - 1 for batch in batches]
        self._first = np.concatenate(([0], np.cumsum(rows, dtype=np.int64)))
        self.lengths: npt.NDArray[np.int64] = np.concatenate(
            [np.zeros(0, np.int64), *(np.diff(batch.token_offsets) for batch in batches)], dtype=np.int64
        )
        """Tokens of each document. [D]"""

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def fingerprint(self) -> str:
        """Names the data: equal for equal shards, wherever they lie."""
        return self.manifest.fingerprint

    @property
    def kinds(self) -> list[dict[str, str]]:
        """{"name", "mark"} by kind number."""
        return self.manifest.kinds

    def ids(self, number: int) -> Ids:
        """Return the token ids of a document, read-only. [L]"""
        batch, row = self._find(number)
        return batch.ids[batch.token_offsets[row] : batch.token_offsets[row + 1]]

    def flags(self, number: int) -> Flags:
        """Return the flags of a document's tokens, read-only. [L]"""
        batch, row = self._find(number)
        return batch.flags[batch.token_offsets[row] : batch.token_offsets[row + 1]]

    def spans(self, number: int) -> Spans:
        """Return the phrases and entities of a document, sorted by start, then end."""
        batch, row = self._find(number)
        start, end = batch.span_offsets[row], batch.span_offsets[row + 1]
        if start == end:
            return NO_SPANS
        made = np.empty(end - start, SPAN_DTYPE)
        made["start"] = batch.span_starts[start:end]
        made["end"] = batch.span_ends[start:end]
        made["kind"] = batch.span_kinds[start:end]
        return made

    def id(self, number: int) -> str:
        """Return the id of a document."""
        batch, row = self._find(number)
        return str(batch.names[row].as_py())

    def document(self, number: int) -> EncodedDocument:
        """Return a whole document.

        Raises:
            IndexError: there is no document of this number.
        """
        batch, row = self._find(number)
        return EncodedDocument(
            id=str(batch.names[row].as_py()),
            source=str(batch.sources[row].as_py()),
            ids=self.ids(number),
            flags=self.flags(number),
            spans=self.spans(number),
        )

    def iterate(self, start: int = 0, stop: int | None = None) -> Iterator[EncodedDocument]:
        """Go through documents [start, stop), by default all."""
        for number in range(start, len(self) if stop is None else stop):
            yield self.document(number)

    def shard_by_shard(self) -> Iterator[tuple[int, ShardReader]]:
        """Open the shards again one after the other, each with the number of its first document.

        For a look into many of them: a page of a mapped file counts as memory of the process until the file is let go.
        """
        first = 0
        for shard in self.manifest.shards:
            yield first, shards_of(self.folder, replace(self.manifest, shards=[shard]), self.vocabulary)
            first += shard.rows

    def _find(self, number: int) -> tuple[_Batch, int]:
        if not 0 <= number < len(self):
            raise IndexError(f"document {number} of {len(self)}")
        # The last batch that begins at or before the document; empty batches begin where the next one does.
        at = int(np.searchsorted(self._first, number, side="right")) - 1
        return self._batches[at], number - int(self._first[at])


def open_shards(folder: Path | str) -> ShardReader:
    """Open a shard folder that `corpus-tools build` has finished.

    Sizes are checked, contents are not: `shards.verify` does that.

    Raises:
        MissingInputError: there is no such folder.
        DataError: the build is not finished, or a file is missing, cut short or of another vocabulary.
    """
    at = Path(folder)
    manifest = load_manifest(at)
    return shards_of(at, manifest, open_vocabulary(at, manifest))


def open_vocabulary(folder: Path, manifest: Manifest) -> Vocabulary:
    """Read the vocabulary of a shard folder.

    Raises:
        MissingInputError, DataError: it is missing, damaged or not the one that the shards were made with.
    """
    vocabulary = load_vocabulary(folder / TOKENIZER)
    if vocabulary.fingerprint != manifest.vocabulary["fingerprint"]:
        place, found, made = folder / TOKENIZER, vocabulary.fingerprint[:6], manifest.vocabulary["fingerprint"][:6]
        raise DataError(f"{place}: is vocabulary {found}, the shards were made with {made}. Build them again")
    return vocabulary


def shards_of(folder: Path, manifest: Manifest, vocabulary: Vocabulary) -> ShardReader:
    """Open the shards that a manifest lists, which need not be saved yet.

    Raises:
        DataError: as `open_shards`.
    """
    batches = []
    for shard in manifest.shards:
        path = folder / shard.file
        check_size(path, shard.bytes)
        batches += _batches(path, shard.rows, vocabulary.size)
    return ShardReader(folder, manifest, vocabulary, batches)


def check_size(path: Path, expected: int) -> None:
    """Refuse a shard file that is missing or not as long as the manifest says.

    Raises:
        DataError: with both sizes.
    """
    if not path.is_file():
        raise DataError(f"{path}: missing, the manifest lists it with {expected:,} bytes. {AGAIN}")
    if (found := path.stat().st_size) != expected:
        raise DataError(f"{path}: {found:,} bytes found, {expected:,} expected: cut short or changed. {AGAIN}")


def _batches(path: Path, rows: int, vocabulary_size: int) -> list[_Batch]:
    try:
        file = pa.ipc.open_file(pa.memory_map(os.fsencode(path)))
        if not file.schema.equals(shard_schema(vocabulary_size)):
            raise DataError(f"{path}: has columns {file.schema.names} of other types than a shard's. {AGAIN}")
        made = [_columns(file.get_batch(number)) for number in range(file.num_record_batches)]
    except ValueError as error:  # Arrow's own are of this kind
        raise DataError(f"{path}: not an Arrow file that can be read ({error}). {AGAIN}") from error
    if (found := sum(len(batch.token_offsets) - 1 for batch in made)) != rows:
        raise DataError(f"{path}: {found:,} documents found, {rows:,} expected. {AGAIN}")
    return made


def _columns(batch: pa.RecordBatch) -> _Batch:
    ids, flags, spans = batch.column("ids"), batch.column("flags"), batch.column("spans")
    fields = spans.values
    if not ids.offsets.equals(flags.offsets):
        raise pa.ArrowInvalid("ids and flags differ in length")
    return _Batch(
        names=batch.column("id"),
        sources=batch.column("source"),
        ids=_view(ids.values),
        flags=_view(flags.values),
        token_offsets=_view(ids.offsets),
        span_starts=_view(fields.field("start")),
        span_ends=_view(fields.field("end")),
        span_kinds=_view(fields.field("kind")),
        span_offsets=_view(spans.offsets),
    )


def _view(column: pa.Array) -> npt.NDArray[Any]:
    """Look at a column of numbers. Arrow's own `to_numpy` imports pandas first, a fifth of a second."""
    if column.null_count:
        raise ValueError(f"{column.null_count} values are missing")
    kind = np.dtype(column.type.to_pandas_dtype())
    if not len(column):
        return np.zeros(0, kind)
    return np.frombuffer(column.buffers()[1], kind, len(column), column.offset * kind.itemsize)
