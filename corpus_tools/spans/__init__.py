"""Where entities and phrases stand in a text: the finders, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, cast

from corpus_tools.choose import Choices, build
from corpus_tools.schema import Flags
from corpus_tools.spans.choice import choose
from corpus_tools.spans.dictionary_tags import DictionaryTags
from corpus_tools.spans.found import Found
from corpus_tools.spans.given import GivenSpans
from corpus_tools.spans.knowledge import Knowledge
from corpus_tools.spans.lexicon import Lexicon
from corpus_tools.text.batch import TextBatch

__all__ = [
    "FINDERS",
    "DictionaryTags",
    "Found",
    "GivenSpans",
    "Knowledge",
    "Lexicon",
    "SpanFinder",
    "build_finder",
    "choose",
]


class SpanFinder(Protocol):
    """Finds stretches of text of certain kinds."""

    @property
    def fingerprint(self) -> str:
        """Names everything that changes what is found: method, lists, settings."""

    @property
    def kinds(self) -> tuple[tuple[str, str], ...]:
        """(kind, mark) of the spans it can return; a mark is "entity" or "phrase"."""

    def find(self, batch: TextBatch, marks: Flags) -> Found:
        """Return the spans of a batch, by start; none overlaps another of its mark.

        Args:
            batch: the texts, and the documents they are of.
            marks: WORD where a word begins, as a Segmenter sets it. [C]
        """


FINDERS: Final[Choices] = {
    "given": GivenSpans,
    "lexicon": Lexicon,
    "knowledge": Knowledge,
    "dictionary_tags": DictionaryTags,
}


def build_finder(settings: Mapping[str, Any]) -> SpanFinder:
    """Build the finder that {"name": ..., its settings} describes.

    Raises:
        SettingsError: the name or a setting is unknown or refused.
        MissingInputError, DataError: a list or dictionary is missing or cannot be used.
    """
    return cast(SpanFinder, build("spans", FINDERS, settings))
