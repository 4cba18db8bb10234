"""Write a folder as `datasets` saves it, batch by batch: `datasets.load_from_disk` opens it.

Its own `save_to_disk` saves what has been written to its cache before; here nothing is written twice.
Source: `Dataset.save_to_disk` of datasets 5.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from shutil import copytree
from typing import Any

import pyarrow as pa

from corpus_tools.shards.manifest import TOKENIZER
from corpus_tools.shards.read import ShardReader
from corpus_tools.storage import write_json


def save_data_set(
    folder: Path,
    features: Any,
    parts: Sequence[Iterable[pa.RecordBatch]],
    wrote: Callable[[int], None],
    *,
    reader: ShardReader,
    made_with: object,
) -> None:
    """Write a data set with the shards' tokenizer beside it.

    Args:
        folder: to make.
        features: the `datasets.Features` of the columns.
        parts: the batches of each file.
        wrote: told the rows of each batch.
        reader: the shards that it comes from.
        made_with: what else decides its content, as JSON. `datasets` caches what it makes of a data set by a hash.
    """
    from datasets import DatasetInfo  # takes seconds

    folder.mkdir()
    names = [f"data-{number:05d}-of-{len(parts):05d}.arrow" for number in range(len(parts))]
    for name, batches in zip(names, parts, strict=True):
        with (folder / name).open("wb") as file, pa.ipc.new_stream(file, features.arrow_schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
                wrote(batch.num_rows)
    DatasetInfo(features=features).write_to_directory(str(folder))
    state: dict[str, Any] = {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": hashlib.sha256(json.dumps([reader.fingerprint, made_with]).encode()).hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": "train",
    }
    write_json(folder / "state.json", state)
    copytree(reader.folder / TOKENIZER, folder / TOKENIZER)
