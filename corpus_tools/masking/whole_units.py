"""What character, word, phrase and entity masking share: whole units are chosen, within one of two budgets.

Letters: L tokens of a sequence, special ones included; T tokens of B sequences end to end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal, get_args

import numpy as np

from corpus_tools.compiled import compiled
from corpus_tools.draw import Key, States, states_of
from corpus_tools.errors import SettingsError, nearest
from corpus_tools.masking.budgets import google_budget, pick_by_chance, spend_budget
from corpus_tools.masking.units import Level, number_units, unit_tables, units_at
from corpus_tools.schema import SPECIAL, Bools, Flags, Ints, Offsets, Spans

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
        self.select_all(flags, np.array([0, len(flags)]), spans, states_of([key]), chosen)

    def select_all(self, flags: Flags, bounds: Offsets, spans: Spans, states: States, chosen: Ints) -> None:
        """As `select` for sequences end to end: flags, chosen [T]; bounds [B + 1]; states [B]."""
        budgets = google_budget(np.diff(bounds), self.rate, self.max_predictions) if self.budget == "google" else _NONE
        _choose(flags, bounds, states, *unit_tables(self.level), budgets, self.rate, chosen)

    def counted(self, flags: Flags) -> int:
        """Return how many tokens the rule takes its share of: all under google, all but special ones else."""
        if self.budget == "google":
            return len(flags)
        return len(flags) - int(np.count_nonzero(flags & SPECIAL))

    def expected(self, flags: Flags) -> float:
        """Return how many tokens the rule means to mask: the budget, or the mean of the draw."""
        if self.budget == "google":
            return float(google_budget(np.array([len(flags)]), self.rate, self.max_predictions)[0])
        return self.rate * self.counted(flags)


_NONE: Final = np.zeros(0, np.int64)


@compiled
def _choose(
    flags: Flags,
    bounds: Offsets,
    states: States,
    levels: Flags,
    starts: Bools,
    budgets: Offsets,
    rate: float,
    chosen: Ints,
) -> None:
    """Choose units of each sequence: within its budget [B], or by chance where there are no budgets."""
    longest = 0
    for number in range(len(bounds) - 1):
        longest = max(longest, bounds[number + 1] - bounds[number])
    sizes, order = np.empty(longest, np.int32), np.empty(longest, np.int32)
    picked = np.empty(longest, np.bool_)
    for number in range(len(bounds) - 1):
        units = chosen[bounds[number] : bounds[number + 1]]
        n_units = number_units(flags[bounds[number] : bounds[number + 1]], levels, starts, units)
        sizes[:n_units] = 0
        picked[:n_units] = False
        for unit in units:
            if unit:
                sizes[unit - 1] += 1
        if len(budgets):
            spend_budget(sizes[:n_units], budgets[number], states[number], order[:n_units], picked[:n_units])
        else:
            pick_by_chance(rate, states[number], picked[:n_units])
        for token in range(len(units)):
            if units[token] and not picked[units[token] - 1]:
                units[token] = 0
