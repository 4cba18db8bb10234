"""A few timed steps of a stage, made by the very engine the run would have, on rows of its first epoch.

A step may take minutes on a processor, so it is not timed whole: steps of one and of some micro-batches tell what a row
and what an update take. Before that, small micro-batches tell how memory grows with the rows, so that none is tried
that would not fit: on a CPU the kernel would end the process without a word.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from cn_bert.data.batches import StepBatch, count, micro_batch
from cn_bert.micro_batch import MicroBatch, Shape
from cn_bert.training import memory
from cn_bert.training.flops import ModelFlops
from cn_bert.training.loop import train_step
from cn_bert.training.machine import now
from cn_bert.training.run import Run
from cn_bert.training.schedule import learning_rate
from cn_bert.training.stage import Stage

SECONDS: Final = 20.0
"""About how long the steps of a stage are timed."""
MOST_TIMED: Final = 8
"""Micro-batches of a timed step."""
SPARE: Final = 0.9
"""Share of the memory that is counted on: what is free now may be somebody's in a minute."""
SMALL: Final = 8
"""A micro-batch is first tried at this part of its rows."""


@dataclass(frozen=True)
class Trial:
    """What some steps of a stage have shown, on this rank."""

    wanted_rows: int
    """Rows of a micro-batch as the recipe has them."""
    micro_rows: int
    """Those that were timed: fewer where the recipe's do not fit."""
    row_seconds: float
    """Forward and backward of a row."""
    update_seconds: float
    """Of a step's end."""
    data_row_seconds: float
    """To draw a row and its masks, which goes on beside the step."""
    row_flops: float
    row_tokens: float
    """Real tokens of a row, over an epoch."""
    epoch_rows: int
    plan_seconds: float
    """To plan an epoch, while the step waits."""
    most_bytes: int
    """Held at once."""


def try_stage(run: Run, number: int) -> Trial:
    """Time some steps of a stage, with micro-batches that fit. All ranks call this together.

    Args:
        run: fresh, in a folder of its own.
        number: of the stage.

    Raises:
        OutOfMemoryError: not even one row fits on the GPU.
    """
    since = time.perf_counter()
    stage = run.stages.alone(number)
    plan = stage.steps.plans.plan(0)
    plan_seconds = time.perf_counter() - since
    rows = -(-stage.settings.batch_rows // run.ranks.world)
    wanted = min(stage.micro_rows, rows)
    micro_rows = _fitting(run, stage, wanted)
    since = time.perf_counter()
    batches = _batches(run, stage, micro_rows, min(MOST_TIMED, -(-rows // micro_rows)))
    data_seconds = time.perf_counter() - since
    memory.forget_most(run.ranks.device)
    row_seconds, update_seconds = _time(run, stage, batches)
    n_rows = micro_rows * len(batches)
    flops = ModelFlops.of(run.recipe.model, run.mixture.vocabulary.size)
    return Trial(
        wanted_rows=wanted,
        micro_rows=micro_rows,
        row_seconds=row_seconds / micro_rows,
        update_seconds=update_seconds,
        data_row_seconds=data_seconds / n_rows,
        row_flops=flops.training(batches, stage.objectives) / n_rows,
        row_tokens=plan.n_tokens / plan.n_rows,
        epoch_rows=plan.n_rows,
        plan_seconds=plan_seconds,
        most_bytes=memory.most_held(run.ranks.device),
    )


def _batches(run: Run, stage: Stage, micro_rows: int, n: int) -> list[MicroBatch]:
    """Make micro-batches of the first epoch's first rows, this rank's, begun anew where the epoch is shorter."""
    plan, masker = stage.steps.plans.plan(0), stage.masker_of(0)
    shape = Shape(micro_rows, stage.settings.row_tokens) if stage.compiled else None
    rows = [(plan, (run.ranks.rank + run.ranks.world * row) % plan.n_rows) for row in range(n * micro_rows)]
    cut = (rows[at : at + micro_rows] for at in range(0, len(rows), micro_rows))
    return [micro_batch(run.mixture, masker, some, shape) for some in cut]


def _fitting(run: Run, stage: Stage, wanted: int) -> int:
    """Find the rows of a micro-batch that fit, going by how memory grows from one row to some."""
    device = run.ranks.device
    some = min(wanted, max(2, wanted // SMALL))
    most = []
    for rows in (1, some):
        memory.forget_most(device)
        _step(run, stage, _batches(run, stage, rows, 1))
        most.append(memory.most_held(device))
    a_row = (most[1] - most[0]) / max(some - 1, 1)
    at_hand = SPARE * memory.to_be_had(device) / _sharing(run) + memory.held(device)
    # Each rank sees other numbers, and all have to compute alike.
    return run.ranks.said_by_first(halve(wanted, most[0], a_row, at_hand))


def halve(rows: int, one_row: float, a_row: float, at_hand: float) -> int:
    """Halve rows until they fit.

    Args:
        rows: that are wanted.
        one_row: bytes that are held with one.
        a_row: bytes of each further one.
        at_hand: bytes that may be held.
    """
    while rows > 1 and one_row + a_row * (rows - 1) > at_hand:
        rows //= 2
    return rows


def _sharing(run: Run) -> int:
    """Return how many ranks share the memory: a GPU has one, a machine has those that were started on it."""
    return 1 if run.ranks.device.type == "cuda" else int(os.environ.get("LOCAL_WORLD_SIZE", run.ranks.world))


def _time(run: Run, stage: Stage, batches: Sequence[MicroBatch]) -> tuple[float, float]:
    """Return the seconds of a micro-batch and of an update. One that is alone in its step has the update's as well."""
    _step(run, stage, batches[:1])  # the first of its size
    ones = [_step(run, stage, batches[:1])]
    several = max(2, int(SECONDS / (2 * ones[0])))
    others = [_step(run, stage, batches[:several])]
    while sum(ones) + sum(others) < SECONDS / 2:
        ones.append(_step(run, stage, batches[:1]))
        others.append(_step(run, stage, batches[:several]))
    if len(batches) == 1:
        return fmean(ones + others), 0.0
    micro = max(fmean(others) - fmean(ones), 0.0) / (min(several, len(batches)) - 1)
    return micro, max(fmean(ones) - micro, 0.0)


def _step(run: Run, stage: Stage, batches: Sequence[MicroBatch]) -> float:
    """Make a step of some micro-batches and return its seconds."""
    part = StepBatch(0, list(batches), count(batches), sum(batch.n_real_tokens for batch in batches))
    lr, seed = learning_rate(run.recipe, 1), run.recipe.seed
    since = time.perf_counter()
    train_step(run.engine, part, stage.objectives, run.ranks, seed=seed, step=1, lr=lr)
    return now(run.ranks.device) - since
