"""Where words begin: the segmenters, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, cast

import numpy as np

from corpus_tools.choose import Choices, build
from corpus_tools.schema import Flags
from corpus_tools.segment.by_function import ByFunction
from corpus_tools.segment.chars import Chars
from corpus_tools.segment.jieba_itself import JiebaItself
from corpus_tools.segment.presegmented import Presegmented
from corpus_tools.segment.with_jieba import JiebaSegmenter
from corpus_tools.text.batch import TextBatch

__all__ = ["SEGMENTERS", "Segmenter", "build_segmenter", "word_starts"]


class Segmenter(Protocol):
    """Finds words, as offsets into the text as it is."""

    @property
    def fingerprint(self) -> str:
        """Names everything that changes the words: method, version, dictionaries, settings."""

    @property
    def long_runs_cut(self) -> int:
        """Runs cut so far because they were too long for the method; words at those cuts may differ."""

    def mark(self, batch: TextBatch, marks: Flags) -> None:
        """Set WORD where a word begins.

        Each word reaches to the next, so words cover the texts, their white space too, and the first character of every
        text begins one.

        Args:
            batch: the texts.
            marks: where the bits go; the other bits stay. [C]
        """


def word_starts(segmenter: Segmenter, text: str) -> list[int]:
    """Return where the words of one text begin, counted in characters."""
    marks = np.zeros(len(text), np.uint8)
    segmenter.mark(TextBatch.of([text]), marks)
    starts: list[int] = np.flatnonzero(marks).tolist()
    return starts


SEGMENTERS: Final[Choices] = {
    "jieba": JiebaSegmenter,
    "jieba_itself": JiebaItself,
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
