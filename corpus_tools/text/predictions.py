"""Spans of documents in a file of their own: what a tagger predicted, found by the documents' ids.

The lines may stand in any order and need not be of all documents: where each line stands is looked up in an index of 24
bytes a line, made once, kept beside the other tables and mapped into memory. So a build of any number of workers holds
only the lines of the documents it is at.

Letters: N lines.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from corpus_tools.errors import DataError
from corpus_tools.files import damage_named, open_bytes
from corpus_tools.schema import Document, Offsets
from corpus_tools.table_cache import cached
from corpus_tools.text.given import given_spans
from corpus_tools.text.read import Reject, storable
from corpus_tools.unpack import packed_suffix

NO_PREDICTION: Final = "no_prediction"
"""The file has no line for the document."""

MAX_LINE_BYTES: Final = 1 << 28
"""A longer line is no document's spans."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the line of each document stands, by the hashes of their ids."""

    ids: npt.NDArray[np.uint64]
    """In ascending order. [N]"""
    starts: Offsets
    """[N]"""
    lengths: Offsets
    """In bytes, the line end included. [N]"""


class Predictions:
    """Gives documents the spans that stand under their ids in a file of lines {"id": ..., "spans": [...]}.

    Args:
        path: the file, plain UTF-8. Its spans are as `given_spans` takes them, counted in the text as it was read.

    Raises:
        MissingInputError: it is not there.
        DataError: it is packed or damaged, a line has no id or no spans, or two lines have one id.
    """

    def __init__(self, path: str | Path) -> None:
        if packed_suffix(str(path)):
            raise DataError(f"{path}: is packed, and lines are looked up where they stand. Unpack it first")
        self._path = path
        self._file = open_bytes(path)
        found = os.fstat(self._file.fileno())
        self.fingerprint: Final = f"predictions-1-{found.st_size}-{found.st_mtime_ns}"
        """As inputs are told apart: by size and time of change, for to hash the file would be to read it once more."""
        self._lines = cached(Lines, f"{self.fingerprint}-{os.path.abspath(path)}", self._index)

    def added_to(self, found: Iterable[Document | Reject]) -> Iterator[Document | Reject]:
        """Yield documents with the predicted spans behind their own; pass on what was rejected."""
        for item in found:
            yield self._with_spans(item) if isinstance(item, Document) else item

    def _with_spans(self, document: Document) -> Document:
        faults = Counter(document.span_faults)
        line = self._look_up(document.id)
        if line is None:
            faults[NO_PREDICTION] += 1
            return replace(document, span_faults=faults)
        spans, more_faults = given_spans(line["spans"], len(document.text))
        faults.update(more_faults)
        return replace(document, spans=document.spans + spans, span_faults=faults)

    def _look_up(self, id: str) -> dict[str, Any] | None:
        hashed, known = _hash(id), self._lines.ids
        at = int(np.searchsorted(known, hashed))
        while at < len(known) and known[at] == hashed:
            line = self._read(self._lines, at)
            if storable(line["id"]) == id:
                return line
            at += 1
        return None

    def _read(self, lines: Lines, at: int) -> dict[str, Any]:
        """Read a line again. Not through the file's own position, which threads would share."""
        start = int(lines.starts[at])
        return _parsed(os.pread(self._file.fileno(), int(lines.lengths[at]), start), f"{self._path}, byte {start}")

    def _index(self) -> Lines:
        ids, starts, lengths = array("Q"), array("q"), array("q")
        start = 0
        with damage_named(self._path):
            for number, raw in enumerate(iter(lambda: self._file.readline(MAX_LINE_BYTES), b""), start=1):
                if len(raw) == MAX_LINE_BYTES:
                    raise DataError(f"{self._path}:{number}: a line of over {MAX_LINE_BYTES:,} bytes")
                if not raw.isspace():
                    line = _parsed(raw, f"{self._path}:{number}")
                    ids.append(int(_hash(storable(line["id"]))))
                    starts.append(start)
                    lengths.append(len(raw))
                start += len(raw)
        order = np.argsort(np.array(ids, np.uint64), kind="stable")
        made = Lines(*(np.array(column)[order] for column in (ids, starts, lengths)))
        self._refuse_twins(made)
        return made

    def _refuse_twins(self, lines: Lines) -> None:
        for at in np.flatnonzero(lines.ids[1:] == lines.ids[:-1]).tolist():
            first, second = (storable(self._read(lines, each)["id"]) for each in (at, at + 1))
            if first == second:
                raise DataError(f"{self._path}: two lines have the id {first!r}. Put all spans of a document on one")


def _parsed(raw: bytes, place: str) -> dict[str, Any]:
    """Read a line.

    Raises:
        DataError: it has no id or no spans.
    """
    try:
        line = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: no JSON: {error}. Was it cut short, or has it changed?") from error
    if not isinstance(line, dict) or line.get("id") in (None, "") or "spans" not in line:
        raise DataError(f'{place}: expected {{"id": ..., "spans": [...]}}')
    return line


def _hash(id: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "little"))
