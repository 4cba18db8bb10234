"""What a chosen token becomes: [MASK], a random token, or itself, in the shares 80/10/10.

Source: create_masked_lm_predictions, google-research/bert. The decision falls for each token on its own there and in
BERT-wwm (issue 33 of ymcui/Chinese-BERT-wwm), so a chosen word may come out as [MASK] and a random character; fairseq
decides once a word. Both are a setting.
Ours: random tokens leave out what clean text never holds, the special tokens, [unusedN] and `##` with a Chinese
character, together 35 % of the 21,128-line vocabulary; Google draws from all of it.
Letters: L tokens of a sequence, T tokens of B sequences end to end, V entries of the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from typing import Literal, Protocol, get_args

import numpy as np

from corpus_tools.compiled import compiled
from corpus_tools.draw import Key, States, extended, states_of, uniform
from corpus_tools.errors import DataError, SettingsError, nearest
from corpus_tools.schema import Bools, Ids, Ints, Offsets

Scope = Literal["token", "unit"]
RandomFrom = Literal["usable", "vocabulary"]

_DECIDE, _REPLACE = 0, 1
"""The purposes of the two streams under a key."""


class MaskingVocabulary(Protocol):
    """What masking has to know of a vocabulary."""

    @property
    def size(self) -> int:
        """V."""

    @property
    def mask_id(self) -> int:
        """The id of [MASK]."""

    @property
    def special(self) -> Bools:
        """Which ids are [PAD], [UNK], [CLS], [SEP] or [MASK]. [V]"""

    @property
    def unused(self) -> Bools:
        """Which ids are [unusedN]. [V]"""

    @property
    def continued_han(self) -> Bools:
        """Which ids are `##` with a Chinese character. [V]"""


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """Replace chosen tokens by [MASK], by a random token, or by nothing."""

    mask: float = 0.8
    """Share that becomes [MASK]; the three shares sum to 1."""
    random: float = 0.1
    """Share that becomes a random token, which may be the same one by chance."""
    keep: float = 0.1
    """Share that stays, and is predicted all the same."""
    per: Scope = "token"
    """What decides: each `token` for itself, or one decision a `unit`. Random tokens are drawn singly in both."""
    random_from: RandomFrom = "usable"
    """`usable`: what clean text can hold. `vocabulary`: every entry, as Google does."""

    def __post_init__(self) -> None:
        for name, share in (("mask", self.mask), ("random", self.random), ("keep", self.keep)):
            if not isinstance(share, int | float) or isinstance(share, bool) or not 0 <= share <= 1:
                raise SettingsError(f"masking.corruption.{name}: {share!r} is not a number from 0 to 1")
        total = self.mask + self.random + self.keep
        if not isclose(total, 1, abs_tol=1e-9):
            raise SettingsError(f"masking.corruption: mask, random and keep sum to {total:g}; they have to sum to 1")
        _check_choice("per", self.per, get_args(Scope))
        _check_choice("random_from", self.random_from, get_args(RandomFrom))

    def pool(self, vocabulary: MaskingVocabulary) -> Offsets:
        """Return the ids that random tokens are drawn from, each with the same probability.

        Raises:
            DataError: random tokens are asked for and the vocabulary has none.
        """
        if self.random_from == "vocabulary":
            return np.arange(vocabulary.size)
        ids = np.flatnonzero(~usable_never(vocabulary))
        if self.random > 0 and not len(ids):
            raise DataError("the vocabulary holds only special, [unusedN] and ##Chinese entries: nothing to draw from")
        return ids

    def corrupt(self, ids: Ids, chosen: Ints, key: Key, mask_id: int, pool: Offsets) -> Ids:
        """Return a copy of the ids in which the chosen tokens are replaced.

        Args:
            ids: the tokens. [L]
            chosen: the number of the chosen unit of each token, 0 for none; the tokens of a unit stand together. [L]
            key: names the draw; the n-th chosen token has the n-th numbers of its streams.
            mask_id: the id of [MASK].
            pool: what random tokens are drawn from.

        Returns:
            The corrupted tokens, of the type of `ids`. [L]
        """
        return self.corrupt_all(ids, chosen, np.array([0, len(ids)]), states_of([key]), mask_id, pool)

    def corrupt_all(self, ids: Ids, chosen: Ints, bounds: Offsets, states: States, mask_id: int, pool: Offsets) -> Ids:
        """As `corrupt` for sequences end to end: ids, chosen [T]; bounds [B + 1]; states of their keys [B]."""
        corrupted = ids.copy()
        shares = self.mask, self.mask + self.random
        _replace(corrupted, chosen, bounds, states, *shares, self.per == "unit", mask_id, pool)
        return corrupted


@compiled
def _replace(
    ids: Ids,
    chosen: Ints,
    bounds: Offsets,
    states: States,
    masked_below: float,
    random_below: float,
    per_unit: bool,
    mask_id: int,
    pool: Offsets,
) -> None:
    for number in range(len(bounds) - 1):
        decide, replace = extended(states[number], _DECIDE), extended(states[number], _REPLACE)
        n_tokens = n_units = 0
        unit = 0
        for token in range(bounds[number], bounds[number + 1]):
            if chosen[token] == 0:
                continue
            if chosen[token] != unit:
                unit = chosen[token]
                n_units += 1
            decision = uniform(decide, n_units - 1 if per_unit else n_tokens)
            if decision < masked_below:
                ids[token] = mask_id
            elif decision < random_below:
                ids[token] = pool[int(uniform(replace, n_tokens) * len(pool))]
            n_tokens += 1


def usable_never(vocabulary: MaskingVocabulary) -> Bools:
    """Return which ids clean text never holds: special ones, [unusedN], `##` with a Chinese character. [V]"""
    return vocabulary.special | vocabulary.unused | vocabulary.continued_han


def _check_choice(setting: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SettingsError(f"masking.corruption.{setting}: {value!r} is not known.{nearest(str(value), known)}")
