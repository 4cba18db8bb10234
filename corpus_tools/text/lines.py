"""Read the lines of a split, and group those of a .txt file into documents, in bounded memory."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from corpus_tools.errors import DataError
from corpus_tools.files import damage_named, open_bytes
from corpus_tools.text.encodings import BLANK, UTF8, Decision, as_utf8
from corpus_tools.text.splits import Split
from corpus_tools.unpack import Allowance

Line = tuple[int, bytes | None]
"""A line's number and its bytes without the line end; None in place of too many bytes."""

_CHUNK: Final = 1 << 20


def split_lines(split: Split, max_bytes: int, allowance: Allowance) -> Iterator[Line]:
    """Yield the lines of a split of a file of text, as `stream_lines`.

    Raises:
        DataError: the file is damaged, or shorter than it was when the splits were planned.
        RefusedError: it unpacks to more than `allowance` gives.
    """
    file = split.file
    with open_bytes(file.path, allowance) as stream, damage_named(file.path):
        if file.whole:
            yield from stream_lines(stream, file.decided, max_bytes)
            return
        stream.seek(split.start)
        yield from stream_lines(stream, file.decided, max_bytes, split.first_line, split.n_bytes)
        if (missing := split.end - stream.tell()) > 0:
            raise DataError(f"{file.path}: {missing} bytes shorter than when this build began. Start again")


def stream_lines(
    stream: BinaryIO, decided: Decision, max_bytes: int, first_line: int = 1, n_bytes: int | None = None
) -> Iterator[Line]:
    r"""Yield lines in the codec `decided.of_lines`. Only "\n" ends a line; a "\r" before it is part of the end.

    Args:
        stream: stands where a line begins.
        decided: its encoding.
        max_bytes: a line of more comes out as None.
        first_line: the number of the line that it stands at.
        n_bytes: the last line begins within so many bytes; None: it ends with the stream.
    """
    if decided.wide:
        stream = as_utf8(stream, decided.encoding)
    left = sys.maxsize if n_bytes is None else n_bytes
    number, mark, limit = first_line, decided.mark if first_line == 1 else b"", max_bytes + 2
    while left > 0 and (raw := stream.readline(limit)):
        left -= len(raw)
        line: bytes | None = raw
        if raw.endswith(b"\n"):
            line = raw[:-2] if raw.endswith(b"\r\n") else raw[:-1]
        elif len(raw) == limit:
            line = None
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(_CHUNK)
                left -= len(raw)
        if mark:
            line, mark = line and line.removeprefix(mark), b""
        yield number, line
        number += 1


def whole_file(lines: Iterable[Line], max_bytes: int) -> Iterator[Line]:
    """Join all lines into one document, at line 1."""
    held = _Held(max_bytes)
    for line in lines:
        held.add(line)
    yield from held.take()


def between_blank_lines(lines: Iterable[Line], max_bytes: int, codec: str = UTF8) -> Iterator[Line]:
    """Join lines into the documents that blank lines end; each is at its first line."""
    held = _Held(max_bytes)
    blank = BLANK[codec].fullmatch
    for line in lines:
        if line[1] is not None and blank(line[1]):
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
