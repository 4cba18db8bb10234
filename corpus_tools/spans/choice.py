"""Choose among the overlapping spans of several finders: the finder to be believed first has its way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from corpus_tools.schema import Bools, Offsets


def choose(candidates: Sequence[tuple[Offsets, Offsets]]) -> list[Bools]:
    """Say which spans of each finder are kept: those that overlap none that is kept of an earlier finder.

    Args:
        candidates: starts and ends of the spans of each finder, by start, none overlapping another of the same finder.

    Returns:
        For each finder which of its spans are kept.
    """
    kept_starts, kept_ends = np.zeros(0, np.int64), np.zeros(0, np.int64)
    chosen = []
    for starts, ends in candidates:
        # The first kept span that ends behind a start is the only one that could begin before the end.
        rival = np.searchsorted(kept_ends, starts, side="right")
        rival_start = np.append(kept_starts, np.iinfo(np.int64).max)[rival]
        free = rival_start >= ends
        chosen.append(free)
        kept_starts = np.sort(np.concatenate((kept_starts, starts[free])))
        kept_ends = np.sort(np.concatenate((kept_ends, ends[free])))
    return chosen
