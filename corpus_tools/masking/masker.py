"""A strategy and a replacement rule together: from a clean sequence to what the model sees and has to tell.

A draw is a pure function of the sequence and its key. L is the number of tokens of a sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from corpus_tools.draw import Key
from corpus_tools.masking.corrupt import Corruption
from corpus_tools.masking.protocol import Masking
from corpus_tools.schema import Flags, Ids, Ints, Offsets, Spans

SELECT: Final = 1
CORRUPT: Final = 2
"""The purposes that follow (seed, epoch, sequence number) in the keys of the two draws."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A masked sequence."""

    ids: Ids
    """What the model sees. [L]"""
    chosen: Ints
    """The number of the chosen unit of each token, 0 where nothing is predicted. [L]"""


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
        chosen = np.zeros(len(flags), np.int32)
        self.masking.select(flags, spans, (*key, SELECT), chosen)
        return Drawn(self.corruption.corrupt(ids, chosen, (*key, CORRUPT), self.mask_id, self.pool), chosen)
