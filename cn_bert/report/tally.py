"""Right guesses by the length of the word and by the kind of the entity or phrase they stand in.

Letters: T tokens of sequences end to end, M masked ones, U units such as words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cn_bert.report.guesses import Guesses
from corpus_tools.schema import IN_ENTITY, SPECIAL, WORD, Flags, Offsets

LONGEST = 4
"""Words of so many tokens and more stand in one line."""


@dataclass(frozen=True)
class Tally:
    """What was guessed in units of one sort."""

    name: str
    tokens: int
    """Masked tokens in them."""
    right: int
    """Of these, guessed right."""
    units: int
    """Units that were masked from end to end."""
    units_right: int
    """Of these, guessed right in every token."""


def by_word_length(guesses: Guesses) -> list[Tally]:
    """Count in words of 1, 2, 3, and 4 or more tokens."""
    starts, ends = word_bounds(guesses.text.flags)
    lengths = np.minimum(ends - starts, LONGEST)
    names = {length: f"{length} token{'s' if length > 1 else ''}" for length in range(1, LONGEST)}
    names[LONGEST] = f"{LONGEST} or more tokens"
    return [_tally(name, guesses, starts[lengths == length], ends[lengths == length]) for length, name in names.items()]


def by_kind(guesses: Guesses, kinds: Sequence[dict[str, str]]) -> list[Tally]:
    """Count in the spans of each kind that occurs, entities first, then in the words that stand in no entity.

    Args:
        kinds: `name` and `mark` of each kind, as the mixture has them.
    """
    spans = guesses.text.spans
    found = []
    for number in sorted(set(spans["kind"].tolist()), key=lambda kind: (kinds[kind]["mark"], kinds[kind]["name"])):
        own = spans[spans["kind"] == number]
        name = f"{kinds[number]['name']} ({kinds[number]['mark']})"
        found.append(_tally(name, guesses, own["start"].astype(np.int64), own["end"].astype(np.int64)))
    starts, ends = word_bounds(guesses.text.flags)
    outside = (guesses.text.flags[starts] & IN_ENTITY) == 0
    found.append(_tally("words in no entity", guesses, starts[outside], ends[outside]))
    return [tally for tally in found if tally.tokens]


def word_bounds(flags: Flags) -> tuple[Offsets, Offsets]:
    """Return where words begin and end. What a sequence's start has left of a word is one. [U], [U]"""
    special = (flags & SPECIAL) != 0
    begins = special | ((flags & WORD) != 0) | np.append(True, special[:-1])
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(flags))
    own = ~special[starts]
    return starts[own], ends[own]


def _tally(name: str, guesses: Guesses, starts: Offsets, ends: Offsets) -> Tally:
    """Count in units [starts, ends). [U]"""
    masked = _in_units(guesses.positions, starts, ends, len(guesses.text.ids))
    right = _in_units(guesses.positions[guesses.right], starts, ends, len(guesses.text.ids))
    whole = masked == ends - starts
    return Tally(name, int(masked.sum()), int(right.sum()), int(whole.sum()), int((whole & (right == masked)).sum()))


def _in_units(positions: Offsets, starts: Offsets, ends: Offsets, n_tokens: int) -> Offsets:
    """Count the positions that fall into each unit. [U]"""
    before = np.zeros(n_tokens + 1, np.int64)
    np.cumsum(np.bincount(positions, minlength=n_tokens), out=before[1:])
    counts: Offsets = before[ends] - before[starts]
    return counts
