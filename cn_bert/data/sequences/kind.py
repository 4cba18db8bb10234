"""What a kind of sequence is given and what it makes: ranges of tokens, never copies of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

import numpy as np

from cn_bert.data.mixture import SentenceIndex
from corpus_tools.draw import Key, uniforms
from corpus_tools.errors import SettingsError
from corpus_tools.schema import Offsets

NO_LABEL: Final = -1
RANDOM_NEXT: Final = 0
REAL_NEXT: Final = 1
"""Whether segment B goes on where A ends. google-research/bert writes these two the other way round (0 = real)."""

Piece = tuple[int, int, int]
"""Document, first token, end token: one segment of a sequence."""
Made = tuple[int, tuple[Piece, ...]]
"""A label and the segments of a sequence."""

_BLOCK: Final = 32


class SequenceKind(Protocol):
    """Makes sequences out of one walk through one document."""

    labelled: ClassVar[bool]
    """Whether the label says something, so that a pair objective can be trained on it."""

    @property
    def max_tokens(self) -> int | None:
        """Most tokens of a sequence, [CLS] and every [SEP] counted; None: as many as a row has."""

    def walk(self, text: EpochText, document: int, max_tokens: int, draw: Stream) -> Iterator[Made]:
        """Make the sequences of a document, in reading order."""


@dataclass(frozen=True)
class EpochText:
    """The sentences of all documents, and the walks of the epoch, which random text is taken from."""

    sentences: SentenceIndex
    walks: Offsets
    """Document of each walk, so a document is met as often as it is trained on. [number of walks]"""

    def bounds(self, document: int) -> list[int]:
        """Return the starts of a document's sentences and its length."""
        found: list[int] = self.sentences.of(document).tolist()
        return found

    def random_document(self, draw: Stream) -> int:
        """Draw a document, each walk of the epoch as likely as another."""
        return int(self.walks[draw.below(self.walks.size)])

    def random_run(self, document: int, at_least: int, draw: Stream) -> Piece:
        """Draw a sentence and go on, whole sentences, until `at_least` tokens or the document's end are reached."""
        bounds = self.sentences.of(document)
        first = draw.below(bounds.size - 1)
        start = int(bounds[first])
        ends = bounds[first + 1 :]
        last = min(int(np.searchsorted(ends, max(start + at_least, 0))), ends.size - 1)
        return document, start, int(ends[last])


class Stream:
    """Numbers of a key's stream, one at a time."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._n_blocks = 0
        self._left: list[float] = []

    def next(self) -> float:
        """Draw a number in [0, 1)."""
        if not self._left:
            self._left = uniforms((*self._key, self._n_blocks), _BLOCK)[::-1].tolist()
            self._n_blocks += 1
        return self._left.pop()

    def below(self, high: int) -> int:
        """Draw an integer in [0, high)."""
        return int(self.next() * high)


def check_max_tokens(max_tokens: int | None, least: int) -> None:
    """Refuse a length that leaves no room for text.

    Raises:
        SettingsError: `max_tokens` is below `least`.
    """
    if max_tokens is not None and max_tokens < least:
        raise SettingsError(f"sequences.max_tokens: {max_tokens} is less than the {least} that hold any text")
