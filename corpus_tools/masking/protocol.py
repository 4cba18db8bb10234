"""What a masking strategy has to offer. L is the number of tokens of a sequence, special ones included."""

from __future__ import annotations

from typing import Protocol

from corpus_tools.draw import Key
from corpus_tools.masking.units import Level
from corpus_tools.schema import Flags, Ints, Spans


class Masking(Protocol):
    """Which units of a sequence are masked. Replacing them is not its business."""

    @property
    def level(self) -> Level:
        """The widest kind of unit it takes; units of this level are never partly masked."""

    def units(self, flags: Flags, spans: Spans) -> Ints:
        """Number the units it may choose from 1, 0 for special tokens. flags [L]; returns [L]."""

    def select(self, flags: Flags, spans: Spans, key: Key, chosen: Ints) -> None:
        """Write the number of the chosen unit of each token into `chosen`, 0 where none is.

        Args:
            flags: the bits of schema.py, SPECIAL on [CLS] and [SEP]. [L]
            spans: phrases and entities, indexes into the sequence, cut at its ends.
            key: names the draw.
            chosen: where the numbers go. [L]
        """

    def counted(self, flags: Flags) -> int:
        """Return how many tokens the budget rule takes its share of."""

    def expected(self, flags: Flags) -> float:
        """Return how many tokens the rule means to mask."""
