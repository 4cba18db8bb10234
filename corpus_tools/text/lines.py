"""Read the lines of a split, and group those of a .txt file into documents, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from corpus_tools.errors import DataError
from corpus_tools.files import BOM, damage_named, open_bytes
from corpus_tools.text.splits import Split, is_blank

Line = tuple[int, bytes | None]
"""A line's number and its bytes without the line end; None in place of too many bytes."""

_CHUNK: Final = 1 << 20


def split_lines(split: Split, max_bytes: int) -> Iterator[Line]:
    r"""Yield the lines of a split of a .txt or .jsonl file. Only "\n" ends a line; a "\r" before it is part of the end.

    Raises:
        DataError: the file is damaged, or shorter than it was when the splits were planned.
    """
    with open_bytes(split.file.path) as file, damage_named(split.file.path):
        left = None if split.file.packed else split.n_bytes
        if not split.file.packed:
            file.seek(split.start)
        number = split.first_line
        while left is None or left > 0:
            raw = file.readline(max_bytes + 2)
            n_bytes = len(raw)
            line: bytes | None = raw.removesuffix(b"\n").removesuffix(b"\r") if raw.endswith(b"\n") else raw
            if n_bytes == max_bytes + 2 and not raw.endswith(b"\n"):
                line = None
            while line is None and raw and not raw.endswith(b"\n"):
                raw = file.readline(_CHUNK)
                n_bytes += len(raw)
            if not n_bytes:
                break
            if number == 1 and line is not None:
                line = line.removeprefix(BOM)
            yield number, line
            number += 1
            left = None if left is None else left - n_bytes
        if left:
            raise DataError(f"{split.file.path}: {left} bytes shorter than when this build began. Start again")


def whole_file(lines: Iterable[Line], max_bytes: int) -> Iterator[Line]:
    """Join all lines into one document, at line 1."""
    held = _Held(max_bytes)
    for line in lines:
        held.add(line)
    yield from held.take()


def between_blank_lines(lines: Iterable[Line], max_bytes: int) -> Iterator[Line]:
    """Join lines into the documents that blank lines end; each is at its first line."""
    held = _Held(max_bytes)
    for line in lines:
        if line[1] is not None and is_blank(line[1]):
            yield from held.take()
        else:
            held.add(line)
    yield from held.take()


class _Held:
    """The lines of one document so far, let go when they are too many."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._first = 0
        self._parts: list[bytes] = []
        self._n_bytes = 0

    def add(self, line: Line) -> None:
        number, content = line
        self._first = self._first or number
        self._n_bytes += self._max_bytes + 1 if content is None else len(content) + 1
        if self._n_bytes > self._max_bytes + 1:
            self._parts.clear()
        elif content is not None:
            self._parts.append(content)

    def take(self) -> Iterator[Line]:
        if self._first:
            fits = self._n_bytes <= self._max_bytes + 1
            yield self._first, b"\n".join(self._parts) if fits else None
        self._first, self._parts, self._n_bytes = 0, [], 0
