"""Changes of a text as a list of edits, so that offsets into the text can follow it.

Letters: E edits, N offsets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from corpus_tools.schema import Offsets

Edit = tuple[int, int, str]
"""What stands in [start, end) becomes this string. The edits of a list are in order and do not overlap."""


def edited(text: str, edits: Sequence[Edit]) -> str:
    """Carry the edits out."""
    parts: list[str] = []
    at = 0
    for start, end, new in edits:
        parts += (text[at:start], new)
        at = end
    parts.append(text[at:])
    return "".join(parts)


def n_characters(edits: Sequence[Edit]) -> int:
    """Count the characters that are taken out, replaced or put in."""
    return sum(max(end - start, len(new)) for start, end, new in edits)


def moved(offsets: Offsets, edits: Sequence[Edit]) -> Offsets:
    """Return where offsets into a text are once it is edited; at least one edit. [N]

    Within an edit the characters of both sides are counted from its start; those in excess are all at its end.
    """
    starts, ends, lengths = np.array([(start, end, len(new)) for start, end, new in edits], np.int64).T
    grown = np.cumsum(lengths - (ends - starts))
    new_starts = starts + np.append(0, grown[:-1])
    edit = np.searchsorted(starts, offsets, side="right") - 1
    into = offsets - starts[edit]
    size = (ends - starts)[edit]
    behind = np.where(into < size, np.minimum(into, lengths[edit]), lengths[edit] + into - size)
    return np.where(edit < 0, offsets, new_starts[edit] + behind)
