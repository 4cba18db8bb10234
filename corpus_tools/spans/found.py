"""What a finder finds: columns of stretches of characters. S is their number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from corpus_tools.schema import Offsets


@dataclass(frozen=True, slots=True)
class Found:
    """Stretches [start, end) of a batch's characters, by start.

    None overlaps another of its mark or reaches into the next text.
    """

    starts: Offsets
    """[S]"""
    ends: Offsets
    """[S]"""
    kinds: npt.NDArray[np.int32]
    """Indexes into the finder's `kinds`. [S]"""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """What was not taken, or not as it was given: how many, by reason."""
