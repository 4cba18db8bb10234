"""Which rows a step takes: so many at a time, running on from epoch to epoch, nothing dropped.

Where a run stands in its data is one integer, the step. Steps count from 0 within a stage; epochs count through the
whole run, and a stage begins a new one, so neither order nor masks ever repeat.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import Final

from cn_bert.data.mixture import Mixture
from cn_bert.data.plan import KEPT_EPOCHS, Plan, make_plan, plan_key, remembered_rows
from cn_bert.data.sequences.kind import SequenceKind

_OPEN_PLANS: Final = KEPT_EPOCHS


class Plans:
    """The plans of a stage, epoch by epoch, made when first asked for.

    Args:
        mixture: the documents.
        kind: how they become sequences.
        seed: names all draws.
        row_tokens: tokens a row holds.
        folder: where plans are kept.
    """

    def __init__(self, mixture: Mixture, kind: SequenceKind, *, seed: int, row_tokens: int, folder: Path) -> None:
        self.seed = seed
        self.row_tokens = row_tokens
        self._mixture = mixture
        self._kind = kind
        self._folder = folder
        self._open: OrderedDict[int, Plan] = OrderedDict()
        self._rows: dict[int, int] = {}
        self._lock = Lock()

    def plan(self, epoch: int) -> Plan:
        """Return the plan of an epoch.

        Raises:
            DataError, DiskError: see `make_plan`.
        """
        with self._lock:  # the thread that prepares steps ahead and the one that trains may both ask
            plan = self._open.pop(epoch, None) or make_plan(
                self._mixture,
                self._kind,
                seed=self.seed,
                epoch=epoch,
                row_tokens=self.row_tokens,
                folder=self._folder,
            )
            self._open[epoch] = plan
            while len(self._open) > _OPEN_PLANS:
                self._open.popitem(last=False)
        self._rows[epoch] = plan.n_rows
        return plan

    def n_rows(self, epoch: int) -> int:
        """Return how many rows an epoch has, from what is remembered of its plan where it was made before."""
        if epoch not in self._rows:
            key = plan_key(self._mixture, self._kind, seed=self.seed, epoch=epoch, row_tokens=self.row_tokens)
            remembered = remembered_rows(self._folder, key)
            self._rows[epoch] = self.plan(epoch).n_rows if remembered is None else remembered
        return self._rows[epoch]


class Steps:
    """The rows of each step of a stage.

    Args:
        plans: the stage's plans.
        batch_rows: rows of a step, over all ranks.
        rising: rows of each of the first steps, where they have fewer.
        first_epoch: the epoch that step 0 begins.
    """

    def __init__(self, plans: Plans, *, batch_rows: int, rising: Sequence[int] = (), first_epoch: int = 0) -> None:
        self.plans = plans
        self.batch_rows = batch_rows
        self.first_epoch = first_epoch
        self._before = list(accumulate(rising, initial=0))
        """Rows that the steps before each of the first ones have taken."""

    def rows_before(self, step: int) -> int:
        """Return how many rows the steps before this one take."""
        rising = min(step, len(self._before) - 1)
        return self._before[rising] + (step - rising) * self.batch_rows

    def rows_of_step(self, step: int) -> list[tuple[int, int]]:
        """List the rows of a step as (epoch, row of its plan)."""
        left, epoch = self.rows_before(step), self.first_epoch
        n_rows = self.rows_before(step + 1) - left
        while left >= self.plans.n_rows(epoch):
            left -= self.plans.n_rows(epoch)
            epoch += 1
        rows = self._from(epoch, left)
        return [next(rows) for _ in range(n_rows)]

    def spans_of_step(self, step: int) -> list[tuple[int, int, int]]:
        """Return the rows of a step as (epoch, first row, end row), an entry for each epoch that it touches."""
        epochs = groupby(self.rows_of_step(step), key=itemgetter(0))
        rows = ((epoch, [row for _, row in some]) for epoch, some in epochs)
        return [(epoch, some[0], some[-1] + 1) for epoch, some in rows]

    def _from(self, epoch: int, row: int) -> Iterator[tuple[int, int]]:
        while True:
            for number in range(row, self.plans.n_rows(epoch)):
                yield epoch, number
            epoch, row = epoch + 1, 0

    def epochs_used(self, steps: int) -> int:
        """Return how many epochs the first `steps` steps touch; the next stage begins after them."""
        left, n_epochs = self.rows_before(steps), 0
        while left > 0:
            left -= self.plans.n_rows(self.first_epoch + n_epochs)
            n_epochs += 1
        return n_epochs
