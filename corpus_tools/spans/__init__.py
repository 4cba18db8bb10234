"""Where entities and phrases stand in a text: the finders, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, cast

from corpus_tools.choose import Choices, build
from corpus_tools.schema import Offsets, TextSpan
from corpus_tools.spans.choice import combine
from corpus_tools.spans.dictionary_tags import DictionaryTags
from corpus_tools.spans.lexicon import Lexicon

__all__ = ["FINDERS", "DictionaryTags", "Lexicon", "SpanFinder", "build_finder", "combine"]


class SpanFinder(Protocol):
    """Finds stretches of text of certain kinds."""

    @property
    def fingerprint(self) -> str:
        """Names everything that changes what is found: method, lists, settings."""

    @property
    def kinds(self) -> tuple[tuple[str, str], ...]:
        """(kind, mark) of the spans it can return; a mark is "entity" or "phrase"."""

    def find(self, text: str, word_starts: Offsets) -> tuple[list[TextSpan], int]:
        """Return the spans of a text, by start and not overlapping, and the number of matches it had to reject.

        Args:
            text: as it was read.
            word_starts: where its words begin, as a Segmenter returns it. [words]
        """


FINDERS: Final[Choices] = {
    "lexicon": Lexicon,
    "dictionary_tags": DictionaryTags,
}


def build_finder(settings: Mapping[str, Any]) -> SpanFinder:
    """Build the finder that {"name": ..., its settings} describes.

    Raises:
        SettingsError: the name or a setting is unknown or refused.
        MissingInputError, DataError: a list or dictionary is missing or cannot be used.
    """
    return cast(SpanFinder, build("spans", FINDERS, settings))
