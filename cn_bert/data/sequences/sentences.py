"""Whole sentences of one document, one segment: for masked language modelling alone.

Source: DOC-SENTENCES of RoBERTa, arXiv:1907.11692, section 4.2; its batch grows where documents are short, here rows
are packed instead. Ours: a sentence longer than a sequence is cut where the sequence is full and goes on in the next,
so every token is in exactly one sequence (brightmart/roberta_zh drops such sentences, and short tails).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from cn_bert.data.sequences.kind import NO_LABEL, EpochText, Made, Stream, check_max_tokens

_FRAME: Final = 2
"""[CLS] A [SEP]"""


@dataclass(frozen=True, kw_only=True)
class DocSentences:
    """As many whole sentences as fit, never across documents. Nothing is drawn."""

    labelled: ClassVar[bool] = False

    max_tokens: int | None = None
    """Most tokens of a sequence, [CLS] and [SEP] counted, at least 3; None: as many as a row has."""

    def __post_init__(self) -> None:
        check_max_tokens(self.max_tokens, _FRAME + 1)

    def walk(self, text: EpochText, document: int, max_tokens: int, draw: Stream) -> Iterator[Made]:
        """Make the sequences of a document, in reading order."""
        room = max_tokens - _FRAME
        bounds = text.bounds(document)
        start = 0
        while start < bounds[-1]:
            end = bounds[bisect_right(bounds, start + room) - 1]
            if end <= start:  # not one whole sentence fits
                end = start + room
            yield NO_LABEL, ((document, start, end),)
            start = end
