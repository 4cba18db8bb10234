"""Read rows from Parquet files and from data sets that `datasets` loads, batch by batch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from corpus_tools.errors import DataError, MissingInputError
from corpus_tools.text.inputs import InputFile, is_path, split_address

Row = tuple[object, object, object]
"""Text, id and source as they stand in the table; None where the column is missing. Bytes where they are not UTF-8."""

_BATCH_ROWS: Final = 256


def table_rows(file: InputFile, text_field: str) -> Iterator[Row]:
    """Yield the rows of a Parquet file or a data set.

    Raises:
        DataError: there is no such column, or the file is damaged or cannot be loaded.
        MissingInputError: there is no such data set, or no network to reach it by.
    """
    batches = _parquet_batches(file, text_field) if file.format == "parquet" else _data_set_batches(file)
    for batch in batches:
        names = batch.schema.names
        if text_field not in names:
            raise DataError(
                f"{file.name}: no column '{text_field}'. It has: {', '.join(names)}. Name one: --text-field"
            )
        columns = (
            _values(batch.column(name)) if name in names else itertools.repeat(None) for name in _names(text_field)
        )
        yield from zip(*columns)  # noqa: B905 - a missing column repeats None without end


def _names(text_field: str) -> tuple[str, str, str]:
    return text_field, "id", "source"


def _values(column: Any) -> list[object]:
    try:
        values: list[object] = column.to_pylist()
    except UnicodeDecodeError:  # Arrow does not check what a file says is text
        values = column.cast(pa.binary()).to_pylist()
    return values


def _parquet_batches(file: InputFile, text_field: str) -> Iterator[Any]:
    try:
        with pq.ParquetFile(file.path) as opened:
            names = opened.schema_arrow.names
            wanted = [name for name in _names(text_field) if name in names]
            # Without the text the reader must still say which columns there are.
            yield from opened.iter_batches(_BATCH_ROWS, columns=wanted if text_field in names else None)
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
