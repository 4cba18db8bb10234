"""Find and read the files of a task: plain, .xz or .gz, tab-separated or JSON.

Task files are read whole: the largest in use has some hundred megabytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from corpus_tools.errors import DataError, MissingInputError
from corpus_tools.files import PACKED, damage_named, open_bytes

MAX_BYTES: Final = 1 << 31
"""A larger file is no task file; refused, so that a packed one cannot fill the memory."""


def find_file(folder: Path, name: str) -> Path:
    """Return FOLDER/NAME, or the packed file of that name.

    Raises:
        MissingInputError: neither the folder nor a file of that name is there.
    """
    if not folder.is_dir():
        raise MissingInputError(f"{folder}: no such folder")
    for suffix in ("", *PACKED):
        if (path := folder / f"{name}{suffix}").is_file():
            return path
    raise MissingInputError(f"{folder}: holds no {name}, {name}.xz or {name}.gz")


def is_json(path: Path) -> bool:
    """Say whether a file is JSON by its name, packed or not."""
    plain = path.with_suffix("") if path.suffix in PACKED else path
    return plain.suffix in (".json", ".jsonl")


def read_text(path: Path) -> str:
    """Read a UTF-8 file, without its byte order mark.

    Raises:
        DataError: not UTF-8, a damaged archive, or more than MAX_BYTES.
        MissingInputError: no such file.
    """
    with open_bytes(path) as file, damage_named(path):
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: more than {MAX_BYTES:,} bytes; this is no task file")
    return decode(content, str(path))


def decode(content: bytes, place: str) -> str:
    """Decode UTF-8, without its byte order mark.

    Raises:
        DataError: not UTF-8; the message names the line.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{place}:{line}: not UTF-8. Convert it: iconv -f gb18030 -t utf-8") from error


def read_json(path: Path) -> Any:
    """Read a file that is one JSON value.

    Raises:
        DataError: as read_text, or the file is not JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error


def read_rows(path: Path, columns: Sequence[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each row of a table with its place, `FILE:LINE`; blank lines are passed over.

    Quotes mean nothing: CLUE's and HFL's files are written without, and a lone one in a review must not swallow lines.

    Args:
        path: tab-separated text, or one JSON object a line where the name says so.
        columns: names of the columns; None: the first line has them. Not used for JSON.

    Raises:
        DataError: a line has another number of columns than the header, or is no JSON object.
    """
    lines = [(f"{path}:{n}", line.removesuffix("\r")) for n, line in enumerate(read_text(path).split("\n"), 1)]
    filled = ((place, line) for place, line in lines if line.strip())
    if is_json(path):
        yield from ((place, _object(place, line)) for place, line in filled)
        return
    names = list(columns or next(filled, ("", ""))[1].split("\t"))
    for place, line in filled:
        cells = line.split("\t")
        if len(cells) != len(names):
            raise DataError(f"{place}: {len(cells)} columns where {len(names)} are expected ({', '.join(names)})")
        yield place, dict(zip(names, cells, strict=True))


def _object(place: str, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}: not JSON: {error.msg}. One object a line is expected.") from error
    if not isinstance(found, dict):
        raise DataError(f"{place}: expected a JSON object, found {type(found).__name__}")
    return found
