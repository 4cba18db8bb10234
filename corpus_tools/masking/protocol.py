"""What a masking strategy has to offer.

Letters: L tokens of a sequence, special ones included; T tokens of B sequences end to end.
"""

from __future__ import annotations

from typing import Protocol

from corpus_tools.draw import Key, States
from corpus_tools.masking.units import Level
from corpus_tools.schema import Flags, Ints, Offsets, Spans


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

    def select_all(self, flags: Flags, bounds: Offsets, spans: Spans, states: States, chosen: Ints) -> None:
        """Do the same for sequences that lie end to end; each is drawn as if it were alone.

        Args:
            flags: of all sequences. [T]
            bounds: where each sequence begins, and T. [B + 1]
            spans: of all sequences, indexes into `flags`.
            states: of each sequence's key, `draw.states_of`. [B]
            chosen: where the numbers go; they begin anew with each sequence. [T]
        """

    def counted(self, flags: Flags) -> int:
        """Return how many tokens the budget rule takes its share of."""

    def expected(self, flags: Flags) -> float:
        """Return how many tokens the rule means to mask."""
