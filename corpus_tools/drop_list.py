"""The list of documents that `build` leaves out: `corpus-tools dedup` writes one, and a person may.

A line is a document's id up to the first tab. What follows is told in rejects.jsonl: the id of the document that this
one repeats. Where several documents have one id, a line may name the place of one of them, FILE:LINE.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.files import content_hash, list_lines
from corpus_tools.schema import Document, Offsets
from corpus_tools.table_cache import cached
from corpus_tools.text.read import Reject

DUPLICATE: Final = "duplicate"
"""The reason in rejects.jsonl."""

_ESCAPES: Final = {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r"}


def written(name: str) -> str:
    r"""Write an id as it stands in a list: tab, line end and backslash as \t, \n, \r and \\."""
    return name.translate(_ESCAPES)


@dataclass(frozen=True, slots=True)
class Entries:
    """The lines of a list, by the hash of what they name. E lines of B bytes in all."""

    hashes: npt.NDArray[np.uint64]
    """Sorted. [E]"""
    begins: Offsets
    """Where each line begins in `text`. [E]"""
    ends: Offsets
    """Where it ends. [E]"""
    text: npt.NDArray[np.uint8]
    """The lines as UTF-8. [B]"""


class DropList:
    """A list, mapped from disk where its tables are kept: workers share its memory."""

    def __init__(self, path: str) -> None:
        """Read the list.

        Raises:
            MissingInputError: it is not there.
            DataError: it is damaged or not UTF-8.
        """
        self.fingerprint: Final = f"drop-list-1-{content_hash(path)}"
        self._path = path
        self._entries = cached(Entries, self.fingerprint, self._read)

    def __len__(self) -> int:
        return len(np.unique(self._entries.hashes))

    def sift(self, found: Iterator[Document | Reject]) -> Iterator[Document | Reject]:
        """Put a Reject in the place of each document that the list names."""
        for item in found:
            yield item if isinstance(item, Reject) else self._sifted(item)

    def unused(self, rejects: Path) -> int:
        """Return how many lines name no document of a build, by its rejects."""
        with rejects.open(encoding="utf-8") as lines:
            found = (json.loads(line) for line in lines)
            names = (name_hash(written(each["id"])) for each in found if each["reason"] == DUPLICATE)
            used = np.unique(np.fromiter(names, np.uint64))
        return len(self) - len(used)

    def _sifted(self, document: Document) -> Document | Reject:
        for name in dict.fromkeys((document.id, document.place)):
            line = self._line(written(name))
            if line is not None:
                repeated = line.split("\t")[1:2]
                detail = f"repeats {repeated[0]}" if repeated else "named in the list"
                return Reject(name, document.source, DUPLICATE, detail)
        return document

    def _line(self, name: str) -> str | None:
        """Return the line that names this, or None."""
        entries, wanted = self._entries, np.uint64(name_hash(name))
        at = int(np.searchsorted(entries.hashes, wanted))
        while at < len(entries.hashes) and entries.hashes[at] == wanted:
            line = entries.text[entries.begins[at] : entries.ends[at]].tobytes().decode()
            if line.partition("\t")[0] == name:
                return line
            at += 1
        return None

    def _read(self) -> Entries:
        hashes, ends, text = array("Q"), array("q"), bytearray()
        for _, line in list_lines(self._path):
            if name := line.partition("\t")[0]:
                hashes.append(name_hash(name))
                text += line.encode()
                ends.append(len(text))
        unordered = np.array(hashes, np.uint64)
        order = np.argsort(unordered, kind="stable")  # of equal ones the first line is found
        bounds = np.array([0, *ends])
        return Entries(unordered[order], bounds[:-1][order], bounds[1:][order], np.frombuffer(bytes(text), np.uint8))


def name_hash(name: str) -> int:
    """Return 64 bits of a name."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
