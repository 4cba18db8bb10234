"""Where words begin: the segmenters, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, cast

from corpus_tools.choose import Choices, build
from corpus_tools.jieba_dictionary import dictionary_tags
from corpus_tools.schema import Offsets
from corpus_tools.segment.by_function import ByFunction
from corpus_tools.segment.chars import Chars
from corpus_tools.segment.presegmented import Presegmented
from corpus_tools.segment.with_jieba import JiebaSegmenter

__all__ = ["SEGMENTERS", "Segmenter", "build_segmenter", "dictionary_tags"]


class Segmenter(Protocol):
    """Finds words, as offsets into the text as it is."""

    @property
    def fingerprint(self) -> str:
        """Names everything that changes the words: method, version, dictionaries, settings."""

    @property
    def long_runs_cut(self) -> int:
        """Runs cut so far because they were too long for the method; words at those cuts may differ."""

    def starts(self, texts: Sequence[str]) -> list[Offsets]:
        """Return where the words of each text begin, counted in characters.

        Ascending from 0; each word reaches to the next start, so words cover the text, its white space too.
        An empty text gives an empty array. [words of the text] each
        """


SEGMENTERS: Final[Choices] = {
    "jieba": JiebaSegmenter,
    "presegmented": Presegmented,
    "chars": Chars,
    "by_function": ByFunction,
}


def build_segmenter(settings: Mapping[str, Any]) -> Segmenter:
    """Build the segmenter that {"name": ..., its settings} describes.

    Raises:
        SettingsError: the name or a setting is unknown or refused.
        MissingInputError, DataError: a dictionary is missing or cannot be used.
    """
    return cast(Segmenter, build("segmenter", SEGMENTERS, settings))
