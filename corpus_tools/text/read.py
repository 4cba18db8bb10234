"""Read documents from a split; what cannot be used comes out too, with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from corpus_tools.errors import DataError
from corpus_tools.files import damage_named
from corpus_tools.schema import Document, GivenSpan
from corpus_tools.text.archives import members
from corpus_tools.text.columns import documents_of_columns, marked_columns
from corpus_tools.text.encodings import UTF8, Decoder
from corpus_tools.text.given import given_spans
from corpus_tools.text.inline_tags import InlineTags
from corpus_tools.text.inputs import TEXT, ArchivedFile, InputFile, ReadSettings, archived_name
from corpus_tools.text.lines import Line, between_blank_lines, split_lines, stream_lines, whole_file
from corpus_tools.text.splits import Split
from corpus_tools.text.tables import table_rows
from corpus_tools.unpack import Allowance

Marked = tuple[str, tuple[GivenSpan, ...], Mapping[str, int]]
"""A text, the spans that came with it, and how many are faulty, by reason."""

MOST_BYTES: Final = 4
"""What one character takes at most, in UTF-8 and in GB18030."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A document that was found and cannot be used."""

    id: str
    """What its id would be where none could be read: FILE:LINE."""
    source: str
    reason: str
    """undecodable, bad_json, not_an_object, no_text, text_not_a_string, empty or too_long."""
    detail: str
    """What was found, for a person to read."""


def read_split(split: Split, settings: ReadSettings) -> Iterator[Document | Reject]:
    """Yield the documents of a split, in order, and a Reject for each that cannot be used.

    Memory holds one document (of a table: a batch of 256 rows) at a time. Text is not changed by a character, but for
    those that `settings.bad_bytes` replaces.

    Raises:
        DataError: the file is damaged, has changed since the splits were planned, or has no such column; or bytes are
            wrong and `settings.bad_bytes` says fail.
        MissingInputError: the file is gone or the data set is not found.
        RefusedError: a packed file or an archive is not safe.
    """
    file = split.file
    max_bytes = settings.max_document_chars * MOST_BYTES
    if file.format in TEXT:
        lines = split_lines(split, max_bytes, Allowance(file.path, settings.max_unpacked))
        yield from _of_lines(lines, file, settings)
    elif file.format == "archive":
        known = {member.name: member for member in file.members}
        with damage_named(file.path):
            for member in members(file.path, settings.max_members, settings.max_unpacked):
                if archived := known.get(archived_name(file, member)):
                    with member.open() as stream:
                        lines = stream_lines(stream, archived.decided, max_bytes)
                        yield from _of_lines(lines, archived, settings)
    else:
        place = _Place.of(file, settings)
        for number, row in enumerate(table_rows(file, settings.text_field, settings.span_field), start=1):
            yield place.document(number, *row)


def _of_lines(
    lines: Iterator[Line], file: InputFile | ArchivedFile, settings: ReadSettings
) -> Iterator[Document | Reject]:
    place = _Place.of(file, settings)
    if file.format == "jsonl":
        for line in lines:
            if line[1] != b"" and (line[1] is None or not line[1].isspace()):
                yield place.json_line(line)
    else:
        for line in _grouped(lines, file, settings):
            yield place.plain_text(line)


def _grouped(lines: Iterator[Line], file: InputFile | ArchivedFile, settings: ReadSettings) -> Iterator[Line]:
    max_bytes, codec = settings.max_document_chars * MOST_BYTES, file.decided.of_lines
    if file.format == "columns":
        return documents_of_columns(lines, max_bytes, settings.document_sentences, codec)
    if settings.document_ends == "file":
        return whole_file(lines, max_bytes)
    return between_blank_lines(lines, max_bytes, codec)


def _unmarking(file: InputFile | ArchivedFile, settings: ReadSettings) -> Callable[[str], Marked] | None:
    """Return what takes the marks out of a text that has them in it."""
    if file.format == "columns":
        return marked_columns
    return InlineTags(settings.inline_tags).taken_out if settings.inline_tags else None


@dataclass(frozen=True, slots=True)
class _Place:
    """Makes documents and rejects of what stands at a line or row of one file."""

    name: str
    settings: ReadSettings
    decoder: Decoder
    unmark: Callable[[str], Marked] | None

    @classmethod
    def of(cls, file: InputFile | ArchivedFile, settings: ReadSettings) -> _Place:
        return cls(file.name, settings, Decoder(file.decided, settings.bad_bytes), _unmarking(file, settings))

    def plain_text(self, line: Line) -> Document | Reject:
        number, raw = line
        return self.document(number, raw, None, None) if raw is not None else self._too_long(number)

    def json_line(self, line: Line) -> Document | Reject:
        number, raw = line
        if raw is None:
            return self._too_long(number)
        try:
            record, sound, n_replaced = self._record(raw)
        except UnicodeDecodeError as error:
            return self._undecodable(number, f"{self.name}:{number}", self.name, error)
        except (ValueError, RecursionError) as error:
            return self._reject(number, "bad_json", str(error))
        if not isinstance(record, dict):
            return self._reject(number, "not_an_object", f"found {type(record).__name__}")
        field = self.settings.text_field
        if field not in record:
            return self._reject(number, "no_text", f"no field '{field}' among: {', '.join(record)[:200]}")
        spans = record.get(self.settings.span_field)
        id, source = record.get("id"), record.get("source")
        return self.document(number, record[field], id, source, spans, sound=sound, n_replaced=n_replaced)

    def _record(self, raw: bytes) -> tuple[object, bool, int]:
        """Parse a line as `json.loads` does, in half the time.

        orjson takes neither NaN nor halves of surrogate pairs nor deep nesting, and rounds integers of over 64 bits,
        which ids may be: lines with such things are left to json.

        Returns:
            What the line holds, whether its strings are known to be sound, and how many characters were replaced.
        """
        codec = self.decoder.decided.of_lines
        try:
            record = orjson.loads(raw if codec == UTF8 else raw.decode(codec))
            if not isinstance(record, dict) or not {type(record.get("id")), type(record.get("source"))} & {float}:
                return record, True, 0
        except (orjson.JSONDecodeError, UnicodeDecodeError):
            pass
        text, n_replaced = self.decoder.decode(raw)
        return json.loads(text), False, n_replaced

    def document(
        self,
        number: int,
        text: object,
        id: object,
        source: object,
        spans: object = None,
        *,
        sound: bool = False,
        n_replaced: int = 0,
    ) -> Document | Reject:
        """Check what was found at a line or row.

        Args:
            number: of the line or row.
            text: bytes are text that is yet to be decoded.
            id, source: None and "" where there is none.
            spans: as they stand there.
            sound: the text cannot hold half a surrogate pair.
            n_replaced: wrong characters that were replaced on the way here.
        """
        place = f"{self.name}:{number}"
        id = place if id is None or id == "" else storable(id)
        source = self.name if source is None or source == "" else storable(source)
        try:
            if isinstance(text, bytes):
                text, n_replaced = self.decoder.decode(text)
            elif isinstance(text, str) and not sound:
                text, n_halves = self.decoder.whole(text)
                n_replaced += n_halves
        except UnicodeError as error:
            return self._undecodable(number, id, source, error)
        if text is None:
            return Reject(id, source, "no_text", f"'{self.settings.text_field}' is null")
        if not isinstance(text, str):
            return Reject(id, source, "text_not_a_string", f"found {type(text).__name__}")
        text, given, faults = self.unmark(text) if self.unmark else (text, *given_spans(spans, len(text)))
        if not text or text.isspace():
            return Reject(id, source, "empty", f"{len(text)} characters of white space")
        if len(text) > self.settings.max_document_chars:
            return Reject(id, source, "too_long", f"{len(text):,} characters")
        return Document(id, source, text, spans=given, span_faults=faults, place=place, n_replaced=n_replaced)

    def _undecodable(self, number: int, id: str, source: str, error: UnicodeError) -> Reject:
        fault = self.decoder.fault(error)
        if self.settings.bad_bytes == "fail":
            raise DataError(
                f"{self.name}:{number}: {fault}. --bad-bytes reject leaves such documents out, replace patches them"
            )
        return Reject(id, source, "undecodable", fault)

    def _too_long(self, number: int) -> Reject:
        return self._reject(number, "too_long", f"over {self.settings.max_document_chars * MOST_BYTES:,} bytes")

    def _reject(self, number: int, reason: str, detail: str) -> Reject:
        return Reject(f"{self.name}:{number}", self.name, reason, storable(detail))


def storable(value: object) -> str:
    """Write an id or a source as a string that UTF-8 can hold."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
