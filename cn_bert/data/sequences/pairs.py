"""Pairs of segments as BERT makes them: B goes on where A ends, or comes from another document.

Source: create_instances_from_document and truncate_seq_pair, google-research/bert create_pretraining_data.py.
Ours: segments are ranges of the shard's tokens; the random document is drawn among the walks of the epoch, so weights
count there too; every epoch walks anew in place of `dupe_factor` copies.

What Google's rule loses is kept lost: the tokens that truncation drops from a pair that is too long, so nearly all of
a sentence longer than a sequence. A segment pushed back because a random B took its place is used by the next pair.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from cn_bert.data.sequences.kind import (
    NO_LABEL,
    RANDOM_NEXT,
    REAL_NEXT,
    EpochText,
    Made,
    Piece,
    Stream,
    check_max_tokens,
)
from corpus_tools.errors import SettingsError

_FRAME: Final = 3
"""[CLS] A [SEP] B [SEP]"""
_TRIES: Final = 10
"""How often another document is looked for before the walked one itself is taken."""


@dataclass(frozen=True, kw_only=True)
class NspPairs:
    """Labelled pairs. A chunk of one sentence has no continuation and always gets a random B."""

    labelled: ClassVar[bool] = True

    max_tokens: int | None = None
    """Most tokens of a sequence, [CLS] and [SEP] counted, at least 5; None: as many as a row has."""
    short_sequence_probability: float = 0.1
    """How likely a walk aims at a shorter length, drawn evenly, once for the walk; in [0, 1]."""
    random_next_probability: float = 0.5
    """How likely B is random where a continuation exists; in [0, 1]."""

    def __post_init__(self) -> None:
        check_max_tokens(self.max_tokens, _FRAME + 2)
        for name in ("short_sequence_probability", "random_next_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"sequences.{name}: {getattr(self, name):g} is not between 0 and 1")

    def walk(self, text: EpochText, document: int, max_tokens: int, draw: Stream) -> Iterator[Made]:
        """Make the pairs of a document, in reading order."""
        room = max_tokens - _FRAME
        target = room
        if draw.next() < self.short_sequence_probability:
            target = 2 + draw.below(room - 1)
        bounds = text.bounds(document)
        n_sentences = len(bounds) - 1
        first = 0
        while first < n_sentences:
            end = min(bisect_left(bounds, bounds[first] + target, first + 1), n_sentences)
            middle = first + 1 + (draw.below(end - first - 1) if end - first > 1 else 0)
            a = (document, bounds[first], bounds[middle])
            if end - first == 1 or draw.next() < self.random_next_probability:
                b = _random_next(text, document, target - (a[2] - a[1]), draw)
                label, first = RANDOM_NEXT, middle
            else:
                b = (document, bounds[middle], bounds[end])
                label, first = REAL_NEXT, end
            yield label, truncate(a, b, room, draw)


@dataclass(frozen=True, kw_only=True)
class UnlabelledPairs(NspPairs):
    """The same pairs, drawn the same, without their label: for training without NSP, so that nothing else changes.

    Half of the Bs are random as in BERT's own "No NSP" row; `random_next_probability: 0` leaves random only those of
    one-sentence chunks.
    """

    labelled: ClassVar[bool] = False

    def walk(self, text: EpochText, document: int, max_tokens: int, draw: Stream) -> Iterator[Made]:
        """Make the pairs of a document, in reading order."""
        for _, pieces in super().walk(text, document, max_tokens, draw):
            yield NO_LABEL, pieces


def _random_next(text: EpochText, document: int, at_least: int, draw: Stream) -> Piece:
    other = document
    for _ in range(_TRIES):
        other = text.random_document(draw)
        if other != document:
            break
    return text.random_run(other, at_least, draw)


def truncate(a: Piece, b: Piece, room: int, draw: Stream) -> tuple[Piece, Piece]:
    """Drop tokens until both segments fit `room`, each from the longer one's front or back by a coin, B on a tie."""
    a_document, a_start, a_end = a
    b_document, b_start, b_end = b
    for _ in range(a_end - a_start + b_end - b_start - room):
        front = draw.next() < 0.5
        if a_end - a_start > b_end - b_start:
            a_start, a_end = a_start + front, a_end - (not front)
        else:
            b_start, b_end = b_start + front, b_end - (not front)
    return (a_document, a_start, a_end), (b_document, b_start, b_end)
