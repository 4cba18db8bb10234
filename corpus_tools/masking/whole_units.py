"""What character, word, phrase and entity masking share: whole units are chosen, within one of two budgets.

L is the number of tokens of a sequence, special ones included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from corpus_tools.draw import Key
from corpus_tools.errors import SettingsError, nearest
from corpus_tools.masking.budgets import google_budget, pick_by_chance, spend_budget
from corpus_tools.masking.units import Level, units_at
from corpus_tools.schema import SPECIAL, Flags, Ints, Spans

Budget = Literal["google", "expectation"]


@dataclass(frozen=True, kw_only=True)
class WholeUnits:
    """Choose whole units of one level. Subclasses name the level."""

    level: ClassVar[Level]

    rate: float = 0.15
    """Share of the counted tokens that is masked; in (0, 1)."""
    budget: Budget = "google"
    """`google`: so many tokens a sequence, its [CLS] and [SEP] counted. `expectation`: each unit by chance."""
    max_predictions: int | None = None
    """The most tokens masked in a sequence, at least 1; null for no cap. Of the google budget only."""

    def __post_init__(self) -> None:
        if not isinstance(self.rate, int | float) or isinstance(self.rate, bool) or not 0 < self.rate < 1:
            raise SettingsError(f"masking.rate: {self.rate!r} is not a number between 0 and 1")
        if self.budget not in get_args(Budget):
            raise SettingsError(
                f"masking.budget: {self.budget!r} is not known.{nearest(str(self.budget), get_args(Budget))}"
            )
        if self.max_predictions is not None:
            self._check_cap(self.max_predictions)

    def _check_cap(self, cap: object) -> None:
        if not isinstance(cap, int) or isinstance(cap, bool) or cap < 1:
            raise SettingsError(f"masking.max_predictions: {cap!r} is not a whole number from 1 up, nor null")
        if self.budget == "expectation":
            raise SettingsError(
                "masking.max_predictions: the expectation budget has no cap; leave it out or use google"
            )

    def units(self, flags: Flags, spans: Spans) -> Ints:
        """Number the units of this level. flags [L]; returns [L]. The marks are read from the flags, not the spans."""
        return units_at(flags, self.level)

    def select(self, flags: Flags, spans: Spans, key: Key, chosen: Ints) -> None:
        """Write the number of the chosen unit of each token into `chosen`, 0 where none is. flags, chosen [L]."""
        units = self.units(flags, spans)
        sizes = np.bincount(units, minlength=1)
        picked = np.zeros(len(sizes), np.bool_)
        if self.budget == "google":
            picked[1:] = spend_budget(sizes[1:], google_budget(len(flags), self.rate, self.max_predictions), key)
        else:
            picked[1:] = pick_by_chance(len(sizes) - 1, self.rate, key)
        np.multiply(units, picked[units], out=chosen)

    def counted(self, flags: Flags) -> int:
        """Return how many tokens the rule takes its share of: all under google, all but special ones else."""
        if self.budget == "google":
            return len(flags)
        return len(flags) - int(np.count_nonzero(flags & SPECIAL))

    def expected(self, flags: Flags) -> float:
        """Return how many tokens the rule means to mask: the budget, or the mean of the draw."""
        if self.budget == "google":
            return float(google_budget(len(flags), self.rate, self.max_predictions))
        return self.rate * self.counted(flags)
