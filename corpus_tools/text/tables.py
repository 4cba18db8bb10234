"""Read rows from Parquet files and from data sets that `datasets` loads, batch by batch."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from corpus_tools.errors import DataError, MissingInputError
from corpus_tools.text.inputs import InputFile, is_path, split_address

Row = tuple[object, object, object, object]
"""Text, id, source and spans as they stand in the table; None where the column is missing, bytes where not UTF-8."""

_BATCH_ROWS: Final = 256


def table_rows(file: InputFile, text_field: str, span_field: str) -> Iterator[Row]:
    """Yield the rows of a Parquet file or a data set.

    Raises:
        DataError: there is no such column, or two of a name; or the file is damaged or cannot be loaded.
        MissingInputError: there is no such data set, or no network to reach it by.
    """
    wanted = (text_field, "id", "source", span_field)
    batches = _parquet_batches(file, wanted) if file.format == "parquet" else _data_set_batches(file)
    for batch in batches:
        names = batch.schema.names
        if text_field not in names:
            raise DataError(
                f"{file.name}: no column '{text_field}'. It has: {', '.join(names)}. Name one: --text-field"
            )
        if twice := [name for name in wanted if names.count(name) > 1]:
            raise DataError(f"{file.name}: the column '{twice[0]}' stands there twice. Give one another name")
        columns = (_values(batch.column(name)) if name in names else itertools.repeat(None) for name in wanted)
        yield from zip(*columns)  # noqa: B905 - a missing column repeats None without end


def _values(column: Any) -> list[object]:
    try:
        values: list[object] = column.to_pylist()
    except UnicodeDecodeError:  # Arrow does not check what a file says is text
        nested = pa.types.is_nested(column.type)
        values = [b""] * len(column) if nested else column.cast(pa.binary()).to_pylist()
    return values


def n_rows(file: InputFile) -> int | None:
    """Return the rows of a table on disk; None for what is no table, and where only reading on would tell."""
    if file.format == "parquet":
        import pyarrow.parquet as pq

        with _opened(file) as source:
            return int(pq.read_metadata(source).num_rows)
    if file.format == "saved":
        import datasets

        return int(datasets.load_from_disk(file.path).num_rows)
    return None


def _opened(file: InputFile) -> pa.OSFile:
    """Open a file for Arrow, which takes a name that is not UTF-8 as bytes alone."""
    return pa.OSFile(os.fsencode(file.path))


def _parquet_batches(file: InputFile, wanted: tuple[str, ...]) -> Iterator[Any]:
    import pyarrow.parquet as pq  # most builds need none of its 40 ms

    try:
        with _opened(file) as source, pq.ParquetFile(source) as opened:
            names = opened.schema_arrow.names
            there = [name for name in wanted if name in names]
            # Without the text the reader must still say which columns there are.
            yield from opened.iter_batches(_BATCH_ROWS, columns=there if wanted[0] in names else None)
    except FileNotFoundError as error:
        raise MissingInputError(f"{file.path}: no such file") from error
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file.path}: not readable as Parquet: {error}") from error


def _data_set_batches(file: InputFile) -> Iterator[Any]:
    import datasets  # takes seconds

    try:
        loaded = datasets.load_from_disk(file.path) if file.format == "saved" else _stream(file.path)
        yield from loaded.with_format("arrow").iter(_BATCH_ROWS)
    except (datasets.exceptions.DatasetNotFoundError, FileNotFoundError, ConnectionError) as error:
        raise MissingInputError(f"{file.name}: not found by `datasets`: {error}") from error
    except (OSError, ValueError, RuntimeError, pa.ArrowException, datasets.exceptions.DatasetsError) as error:
        raise DataError(f"{file.name}: `datasets` cannot read it: {error}") from error


def _stream(address: str) -> Any:
    import datasets

    place, split = split_address(address)
    parts = place.split("/")
    name, config = (place, None) if is_path(place) or len(parts) < 3 else ("/".join(parts[:2]), "/".join(parts[2:]))
    if is_path(place) and not Path(place).exists():
        raise FileNotFoundError(place)
    return datasets.load_dataset(name, config, split=split or "train", streaming=True)
