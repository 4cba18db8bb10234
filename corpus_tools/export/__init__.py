"""Shards in forms that other tools read: the forms, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, cast

from corpus_tools.choose import Choices, build
from corpus_tools.export.lines import MarkedLines
from corpus_tools.export.rows import DocumentRows
from corpus_tools.export.static import StaticMasks
from corpus_tools.shards.read import ShardReader

__all__ = ["FORMS", "Form", "build_form"]


class Form(Protocol):
    """One form in which a shard folder can be written."""

    def n_rows(self, reader: ShardReader) -> int:
        """Return how many rows or lines it makes of a shard folder."""

    def n_bytes(self, reader: ShardReader) -> int:
        """Return about how many bytes it takes."""

    def write(self, reader: ShardReader, place: Path, wrote: Callable[[int], None]) -> None:
        """Write a shard folder, batch by batch.

        Args:
            reader: the shards.
            place: the file or folder to make.
            wrote: told the number of rows after each batch; what it raises ends the writing.
        """


FORMS: Final[Choices] = {
    "datasets": DocumentRows,
    "jsonl": MarkedLines,
    "static": StaticMasks,
}


def build_form(settings: Mapping[str, Any]) -> Form:
    """Build the form that {"name": ..., its settings} describes.

    Raises:
        SettingsError: the name or a setting is unknown or out of range.
        MissingInputError: a masking is named by a path that has no file.
    """
    return cast(Form, build("export", FORMS, settings))
