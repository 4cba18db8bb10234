"""Cut inputs into splits: the pieces that workers read and shards are made of.

A split is a byte range of a plain file that begins and ends between documents, or one whole file: packed, recoded, an
archive. Splits depend on the files and on `split_bytes` alone, and each knows its first line's number, so ids do not
depend on the cuts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, Final

from corpus_tools.errors import SettingsError
from corpus_tools.files import damage_named, open_bytes
from corpus_tools.text.encodings import UTF8, is_blank
from corpus_tools.text.inputs import InputFile, ReadSettings

DEFAULT_SPLIT_BYTES: Final = 64 << 20

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Split:
    """A piece of one input file."""

    file: InputFile
    start: int
    """First byte, in a plain file."""
    end: int
    """One past the last byte, in a plain file; else the bytes on disk, 0 where not known."""
    first_line: int = 1
    """Number of the line that begins at `start`, from 1."""

    @property
    def n_bytes(self) -> int:
        """How much there is to read, to share out the work by."""
        return self.end - self.start


def plan_splits(
    files: Iterable[InputFile], split_bytes: int = DEFAULT_SPLIT_BYTES, settings: ReadSettings | None = None
) -> list[Split]:
    """Cut files into splits, in the files' order. A plain file above `split_bytes` is read once to count its lines.

    Args:
        files: what `find_inputs` returned.
        split_bytes: a split ends at the first end of a document at or after this many bytes, at least 1.
        settings: those that the documents will be read with.

    Raises:
        SettingsError: split_bytes is below 1.
        DataError, MissingInputError: a file cannot be read any more.
    """
    if split_bytes < 1:
        raise SettingsError(f"split_bytes: {split_bytes} is below 1")
    settings = settings or ReadSettings()
    return [split for file in files for split in _splits(file, split_bytes, settings)]


def _splits(file: InputFile, split_bytes: int, settings: ReadSettings) -> Iterator[Split]:
    size = file.n_bytes
    one_document = file.format == "txt" and settings.document_ends == "file"
    if file.whole or one_document or size <= split_bytes:
        yield Split(file, 0, size)
        return
    with open_bytes(file.path) as opened, damage_named(file.path):
        line = 1
        codec = file.decided.of_lines if file.format == "txt" else None
        for start, end in pairwise(_cuts(opened, size, split_bytes, codec)):
            yield Split(file, start, end, line)
            line += _count_lines(opened, start, end)


def _cuts(file: BinaryIO, size: int, split_bytes: int, codec: str | None) -> Sequence[int]:
    cuts = [0]
    while cuts[-1] + split_bytes < size:
        cuts.append(_next_cut(file, cuts[-1] + split_bytes, codec))
    return cuts if cuts[-1] == size else [*cuts, size]


def _next_cut(file: BinaryIO, offset: int, codec: str | None) -> int:
    """Return the first line's begin at or after `offset`; with a codec, the first that follows a line blank in it."""
    file.seek(offset - 1)  # where `offset` begins a line, this is the end of the line before
    _skip_line(file, UTF8)
    while codec and _skip_line(file, codec) == "text":
        pass
    return file.tell()


def _skip_line(file: BinaryIO, codec: str) -> str:
    """Read to the end of the line, however long, and say what it was: "text", "blank" or "end" of the file."""
    kind = "end"
    while part := file.readline(_CHUNK):
        kind = "text" if kind == "text" or not is_blank(part, codec) else "blank"
        if part.endswith(b"\n"):
            break
    return kind


def _count_lines(file: BinaryIO, start: int, end: int) -> int:
    file.seek(start)
    count = 0
    while start < end:
        chunk = file.read(min(_CHUNK, end - start))
        if not chunk:
            break
        count += chunk.count(b"\n")
        start += len(chunk)
    return count
