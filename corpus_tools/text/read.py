"""Read documents from a split; what cannot be used comes out too, with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from corpus_tools.schema import Document
from corpus_tools.text.inputs import ReadSettings
from corpus_tools.text.lines import Line, between_blank_lines, split_lines, whole_file
from corpus_tools.text.splits import Split
from corpus_tools.text.tables import table_rows

UTF8_BYTES: Final = 4
"""The most bytes that one character takes."""


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

    Memory holds one document (of a table: a batch of 256 rows) at a time. Text is not changed by a character.

    Raises:
        DataError: the file is damaged, has changed since the splits were planned, or has no such column.
        MissingInputError: the file is gone or the data set is not found.
    """
    place = _Place(split.file.name, settings)
    if split.file.format == "txt":
        for line in _text_documents(split, settings):
            yield place.plain_text(line)
    elif split.file.format == "jsonl":
        for line in split_lines(split, settings.max_document_chars * UTF8_BYTES):
            if line[1] != b"" and (line[1] is None or not line[1].isspace()):
                yield place.json_line(line)
    else:
        for number, row in enumerate(table_rows(split.file, settings.text_field), start=1):
            yield place.document(number, *row)


def _text_documents(split: Split, settings: ReadSettings) -> Iterator[Line]:
    max_bytes = settings.max_document_chars * UTF8_BYTES
    group = whole_file if settings.document_ends == "file" else between_blank_lines
    return group(split_lines(split, max_bytes), max_bytes)


@dataclass(frozen=True, slots=True)
class _Place:
    """Makes documents and rejects of what stands at a line or row of one file."""

    name: str
    settings: ReadSettings

    def plain_text(self, line: Line) -> Document | Reject:
        number, raw = line
        return self.document(number, raw, None, None) if raw is not None else self._too_long(number)

    def json_line(self, line: Line) -> Document | Reject:
        number, raw = line
        if raw is None:
            return self._too_long(number)
        try:
            record = json.loads(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            return self._reject(number, "undecodable", _bad_byte(error))
        except (ValueError, RecursionError) as error:
            return self._reject(number, "bad_json", str(error))
        if not isinstance(record, dict):
            return self._reject(number, "not_an_object", f"found {type(record).__name__}")
        field = self.settings.text_field
        if field not in record:
            return self._reject(number, "no_text", f"no field '{field}' among: {', '.join(record)[:200]}")
        return self.document(number, record[field], record.get("id"), record.get("source"))

    def document(self, number: int, text: object, id: object, source: object) -> Document | Reject:
        """Check what was found at a line or row; bytes are text that is yet to be decoded."""
        id = f"{self.name}:{number}" if id is None or id == "" else _storable(id)
        source = self.name if source is None or source == "" else _storable(source)
        try:
            if isinstance(text, bytes):
                text = text.decode("utf-8")
            elif isinstance(text, str):
                text.encode("utf-8")  # JSON can write half a surrogate pair, which is no character
        except UnicodeDecodeError as error:
            return Reject(id, source, "undecodable", _bad_byte(error))
        except UnicodeEncodeError as error:
            return Reject(id, source, "undecodable", f"character {error.start} is half of a surrogate pair")
        if text is None:
            return Reject(id, source, "no_text", f"'{self.settings.text_field}' is null")
        if not isinstance(text, str):
            return Reject(id, source, "text_not_a_string", f"found {type(text).__name__}")
        if not text or text.isspace():
            return Reject(id, source, "empty", f"{len(text)} characters of white space")
        if len(text) > self.settings.max_document_chars:
            return Reject(id, source, "too_long", f"{len(text):,} characters")
        return Document(id, source, text)

    def _too_long(self, number: int) -> Reject:
        return self._reject(number, "too_long", f"over {self.settings.max_document_chars * UTF8_BYTES:,} bytes")

    def _reject(self, number: int, reason: str, detail: str) -> Reject:
        return Reject(f"{self.name}:{number}", self.name, reason, _storable(detail))


def _bad_byte(error: UnicodeDecodeError) -> str:
    line = error.object.count(b"\n", 0, error.start) + 1
    return f"byte 0x{error.object[error.start]:02x} on its line {line} is not UTF-8"


def _storable(value: object) -> str:
    """Write an id or a source as a string that UTF-8 can hold."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
