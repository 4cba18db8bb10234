"""What a finder finds: columns of stretches of characters. S is their number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpus_tools.schema import Offsets


@dataclass(frozen=True, slots=True)
class Found:
    """Stretches [start, end) of a batch's characters, by start. None overlaps another or reaches into the next text."""

    starts: Offsets
    """[S]"""
    ends: Offsets
    """[S]"""
    kinds: npt.NDArray[np.int32]
    """Indexes into the finder's `kinds`. [S]"""
    n_rejected: int = 0
    """Matches that were not taken because they begin or end within a run of Latin letters or digits."""
