"""A strategy and a replacement rule together: from a clean sequence to what the model sees and has to tell.

A draw is a pure function of the sequence and its key.

Letters: L tokens of a sequence, T tokens of B sequences end to end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from corpus_tools.draw import Key, extend, states_of
from corpus_tools.masking.corrupt import Corruption
from corpus_tools.masking.protocol import Masking
from corpus_tools.schema import Flags, Ids, Ints, Offsets, Spans

SELECT: Final = 1
CORRUPT: Final = 2
"""The purposes that follow (seed, epoch, sequence number) in the keys of the two draws."""

IGNORED: Final = -100
"""The label of a token that is not predicted: what torch's cross entropy passes over."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A masked sequence."""

    ids: Ids
    """What the model sees. [L]"""
    chosen: Ints
    """The number of the chosen unit of each token, 0 where nothing is predicted. [L]"""

    def labels(self, original: Ids) -> Offsets:
        """Return what the model has to tell: the original id where a token is chosen, IGNORED elsewhere. [L]"""
        return np.where(self.chosen > 0, original.astype(np.int64), IGNORED)


@dataclass(frozen=True, slots=True)
class Masker:
    """Draw masks for sequences of one vocabulary."""

    masking: Masking
    corruption: Corruption
    mask_id: int
    pool: Offsets
    """The ids that random tokens are drawn from."""

    def draw(self, ids: Ids, flags: Flags, spans: Spans, key: Key) -> Drawn:
        """Mask a sequence.

        Args:
            ids: its tokens, unchanged by this. [L]
            flags: the bits of schema.py, SPECIAL on [CLS] and [SEP]. [L]
            spans: its phrases and entities, relative to it and cut at its ends.
            key: (seed, epoch, sequence number).
        """
        return self.draw_all(ids, flags, np.array([0, len(flags)]), spans, np.array([key]))

    def draw_all(self, ids: Ids, flags: Flags, bounds: Offsets, spans: Spans, keys: Offsets) -> Drawn:
        """Mask sequences that lie end to end, each as `draw` masks it alone.

        Args:
            ids: of all sequences. [T]
            flags: of all sequences. [T]
            bounds: where each begins, and T. [B + 1]
            spans: of all sequences, indexes into `ids`.
            keys: (seed, epoch, sequence number) of each. [B, 3]

        Returns:
            The masked sequences end to end; the numbers of `chosen` begin anew with each.
        """
        chosen = np.empty(len(flags), np.int32)
        states = states_of(keys)
        self.masking.select_all(flags, bounds, spans, extend(states, SELECT), chosen)
        seen = self.corruption.corrupt_all(ids, chosen, bounds, extend(states, CORRUPT), self.mask_id, self.pool)
        return Drawn(seen, chosen)
