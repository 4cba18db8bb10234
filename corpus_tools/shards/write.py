"""Write one shard: an Arrow file, its part of the rejects, and a record that says it is done.

The order makes a crash harmless: the Arrow file and the rejects are written under temporary names, flushed, renamed;
the record comes last. A shard without a record is written again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpus_tools.encode.counts import Counts
from corpus_tools.encode.encoder import Encoded
from corpus_tools.schema import Offsets, shard_schema
from corpus_tools.shards.manifest import ShardEntry, shard_name
from corpus_tools.storage import disk_errors, replace_whole, sha256_file, temporary_beside, write_json
from corpus_tools.text.read import Reject

BATCH_TOKENS: Final = 1 << 20
BATCH_ROWS: Final = 1 << 14
"""A record batch ends at either bound, so a writer's memory is bounded by these and one document."""


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """What became of one split. Kept beside its shard until the manifest takes it up."""

    key: str
    """Hash of the settings and the inputs the shard was made with."""
    shard: ShardEntry
    rejects_sha256: str
    documents_in: int
    dropped: dict[str, int]
    counters: dict[str, Any]

    def save(self, folder: Path, number: int) -> None:
        """Write the record, whole or not at all."""
        write_json(record_path(folder, number), asdict(self))


def record_path(folder: Path, number: int) -> Path:
    """Return where the record of a shard lies while the build goes on."""
    return (folder / shard_name(number)).with_suffix(".json")


def rejects_path(folder: Path, number: int) -> Path:
    """Return where the rejects of a shard lie while the build goes on."""
    return (folder / shard_name(number)).with_suffix(".rejects.jsonl")


def finished(folder: Path, number: int, key: str) -> ShardRecord | None:
    """Return the record of a shard that is done with these settings, or None where it has to be written.

    The shard's size must agree with the record; its bytes are not read again.
    """
    try:
        saved = json.loads(record_path(folder, number).read_text(encoding="utf-8"))
        record = ShardRecord(**saved | {"shard": ShardEntry(**saved["shard"])})
        size = (folder / record.shard.file).stat().st_size
    except (OSError, ValueError, TypeError, KeyError):
        return None
    whole = size == record.shard.bytes and rejects_path(folder, number).is_file()
    return record if whole and record.key == key else None


def write_shard(folder: Path, number: int, key: str, vocabulary_size: int, made: Iterable[Encoded]) -> ShardRecord:
    """Write what `made` yields as shard `number`, then its record.

    Raises:
        DiskError: the disk is full or refuses. Whatever `made` raises; no half-written file is left then.
    """
    path = folder / shard_name(number)
    counts, dropped = Counts(), Counter[str]()
    rows = tokens = 0
    with _whole(path) as arrow, _whole(rejects_path(folder, number)) as rejects:
        schema = shard_schema(vocabulary_size)
        writer = pa.ipc.new_file(arrow, schema)
        for group in _regroup(_set_aside(made, rejects, counts, dropped)):
            with disk_errors(path):
                writer.write_batch(record_batch(group, schema))
            rows += sum(len(batch.names) for batch in group)
            tokens += sum(len(batch.ids) for batch in group)
        with disk_errors(path):
            writer.close()
    entry = ShardEntry(path.name, rows, tokens, path.stat().st_size, sha256_file(path))
    of_rejects = sha256_file(rejects_path(folder, number))
    record = ShardRecord(key, entry, of_rejects, rows + dropped.total(), dict(dropped), counts.to_json())
    record.save(folder, number)
    return record


def _set_aside(made: Iterable[Encoded], rejects: BinaryIO, counts: Counts, dropped: Counter[str]) -> Iterator[Encoded]:
    """Pass the batches on; write the rejects out and sum up the counts on the way."""
    for batch in made:
        for reject in batch.rejects:
            with disk_errors(Path(rejects.name)):
                rejects.write(reject_line(reject))
            dropped[reject.reason] += 1
        counts.add(batch.counts)
        yield batch


def reject_line(reject: Reject) -> bytes:
    """Return a line of `rejects.jsonl`."""
    fields = {"id": reject.id, "source": reject.source, "reason": reject.reason, "detail": reject.detail}
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def _regroup(batches: Iterable[Encoded]) -> Iterator[list[Encoded]]:
    """Put batches together until they fill a record batch."""
    group: list[Encoded] = []
    tokens = rows = 0
    for batch in batches:
        if batch.names:
            group.append(batch)
            tokens += len(batch.ids)
            rows += len(batch.names)
        if tokens >= BATCH_TOKENS or rows >= BATCH_ROWS:
            yield group
            group, tokens, rows = [], 0, 0
    if group:
        yield group


def record_batch(group: list[Encoded], schema: pa.Schema) -> pa.RecordBatch:
    """Lay batches out as Arrow columns, one row a document."""
    spans = np.concatenate([batch.spans for batch in group])
    struct = pa.StructArray.from_arrays(
        [_column(np.ascontiguousarray(spans[name])) for name in spans.dtype.names or ()],
        fields=list(schema.field("spans").type.value_type),
    )
    token_bounds = _column(_end_to_end([batch.bounds for batch in group]))
    columns = [
        _strings([name for batch in group for name in batch.names]),
        _strings([source for batch in group for source in batch.sources]),
        pa.ListArray.from_arrays(token_bounds, _column(np.concatenate([batch.ids for batch in group]))),
        pa.ListArray.from_arrays(token_bounds, _column(np.concatenate([batch.flags for batch in group]))),
        pa.ListArray.from_arrays(_column(_end_to_end([batch.span_bounds for batch in group])), struct),
    ]
    return pa.record_batch(columns, schema=schema)


# Not by `pa.array`, which imports pandas to know its arrays: a quarter of a second and 30 MB in each worker.
def _column(values: npt.NDArray[Any]) -> pa.Array:
    """Take an array over as it is."""
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def _strings(texts: list[str]) -> pa.StringArray:
    encoded = [text.encode() for text in texts]
    bounds = np.zeros(len(encoded) + 1, np.int32)
    np.cumsum([len(each) for each in encoded], out=bounds[1:])
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(bounds), pa.py_buffer(b"".join(encoded)))


def _end_to_end(bounds: list[Offsets]) -> npt.NDArray[np.int32]:
    """Join the bounds of consecutive batches to those of all their rows."""
    lengths = np.concatenate([np.diff(each) for each in bounds])
    joined = np.zeros(len(lengths) + 1, np.int32)
    np.cumsum(lengths, out=joined[1:])
    return joined


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that gets its name only once it is written and flushed."""
    temporary = temporary_beside(path)
    with disk_errors(path):
        file = temporary.open("wb")
    try:
        yield file
        with disk_errors(path):
            file.close()
            replace_whole(temporary, path)
    finally:
        with suppress(OSError):
            file.close()
        with suppress(OSError):
            temporary.unlink()
