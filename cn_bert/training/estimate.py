"""What a run will take: hours, text, memory, disk and money, from a few timed steps of each stage.

Everything is tried in a temporary folder, so nothing is left behind.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cn_bert.config import Loaded, Recipe
from cn_bert.data.mixture import open_mixture
from cn_bert.training import memory
from cn_bert.training.engine import Ranks, fill_ds_config, read_ds_config, start_ranks
from cn_bert.training.outlook import MIB, Outlook, StageOutlook, look_ahead
from cn_bert.training.run import PLANS, Request, Run, settle
from cn_bert.training.stage import Stages
from cn_bert.training.trial import SPARE, Trial, try_stage
from corpus_tools.errors import OutOfMemoryError
from corpus_tools.progress import duration

EVALUATION = 1 / 3
"""Of a training step's work a forward pass alone does so much."""


@dataclass(frozen=True)
class Memory:
    """What a rank holds at once during a step, in bytes."""

    most: int
    weights: int
    gradients: int
    moments: int
    program: int
    """On a CPU: Python, its libraries and what they keep."""

    @property
    def activations(self) -> int:
        """What is left: activations, and what products and reductions need for a while."""
        return max(0, self.most - self.weights - self.gradients - self.moments - self.program)


@dataclass(frozen=True)
class StageEstimate:
    """What a stage will take."""

    tokens: int
    epochs: float
    seconds: float
    """Planning its epochs and evaluations counted in."""
    tokens_per_second: float
    """Of its steps alone."""
    mfu: float
    memory: Memory
    wanted_micro_rows: int
    micro_rows: int

    @property
    def fits(self) -> bool:
        """Whether micro-batches as the recipe has them go into memory."""
        return self.micro_rows == self.wanted_micro_rows


@dataclass(frozen=True)
class Estimate:
    """What a run will take."""

    ahead: Outlook
    ranks: int
    start_seconds: float
    stages: list[StageEstimate]
    price: float | None
    """Of an hour of all ranks."""

    @property
    def hours(self) -> float:
        return (self.start_seconds + sum(stage.seconds for stage in self.stages)) / 3600

    @property
    def tokens(self) -> int:
        return sum(stage.tokens for stage in self.stages)

    @property
    def disk_bytes(self) -> int:
        """Of the checkpoints that are kept, one more while it is written, and the export."""
        return (self.ahead.checkpoints_kept + 1) * self.ahead.checkpoint_bytes + self.ahead.weight_bytes

    def __str__(self) -> str:
        lines = self.ahead.lines()
        for number, (stage, found) in enumerate(zip(self.ahead.stages, self.stages, strict=True)):
            lines += [stage.line(number, f"{found.tokens:,} tokens, {found.epochs:,.1f} epochs"), *_told(found)]
        cost = "" if self.price is None else f", {self.price * self.hours:,.2f} at {self.price:g} an hour"
        lines += [
            f"in all      {duration(3600 * self.hours)} on {self.ranks} rank(s){cost}; {self.tokens:,} tokens, "
            f"{self.tokens / self.ahead.tokens:,.1f} times the text; {self.disk_bytes / MIB:,.0f} MiB of disk",
            "            left out: the time that writing checkpoints takes",
        ]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return all of it as one JSON object."""
        stages = [
            {**asdict(stage), **asdict(found), "activations": found.memory.activations, "hours": found.seconds / 3600}
            for stage, found in zip(self.ahead.stages, self.stages, strict=True)
        ]
        return {
            **asdict(self.ahead),
            "stages": stages,
            "ranks": self.ranks,
            "tokens_in_all": self.tokens,
            "hours": self.hours,
            "cost": None if self.price is None else self.price * self.hours,
            "checkpoint_bytes": self.ahead.checkpoint_bytes,
            "disk_bytes": self.disk_bytes,
        }


def _told(found: StageEstimate) -> list[str]:
    held = found.memory
    program = f", program {held.program / MIB:,.0f}" if held.program else ""
    lines = [
        f"            {duration(found.seconds)}: {found.tokens_per_second:,.0f} tokens a second, mfu {found.mfu:.1%}",
        f"            memory of a rank {held.most / MIB:,.0f} MiB: weights {held.weights / MIB:,.0f}, gradients "
        f"{held.gradients / MIB:,.0f}, moments {held.moments / MIB:,.0f}{program}, activations and the like "
        f"{held.activations / MIB:,.0f}, with {found.micro_rows} rows at once",
    ]
    if not found.fits:
        lines.append(
            f"            {found.wanted_micro_rows} rows at once do not fit. Use --set micro_rows={found.micro_rows}"
        )
    return lines


def estimate(loaded: Loaded, request: Request, price: float | None) -> Estimate:
    """Time a few steps of a recipe on this machine. All ranks call this together.

    Args:
        loaded: the recipe.
        request: its data and its DeepSpeed file; nothing is written to its `out`.
        price: of an hour of all ranks.

    Raises:
        OutOfMemoryError: the model alone is too large.
        UserError: whatever the run itself would refuse.
    """
    ranks = start_ranks()
    with TemporaryDirectory(prefix="cn-bert-estimate-") as folder:
        request = replace(request, out=Path(folder))
        recipe = _quiet(settle(loaded.recipe, request, ranks.device))
        since = time.perf_counter()
        mixture = open_mixture([(source.path, source.weight) for source in recipe.data], recipe.held_out)
        config = fill_ds_config(read_ds_config(request.deepspeed_config), recipe, ranks.world)
        zero_stage = config["zero_optimization"].get("stage", 0)
        stages = Stages(recipe, mixture, request.out / PLANS, ranks.device)
        ahead = look_ahead(recipe, mixture, stages, zero_stage, ranks.device)
        program = memory.held(ranks.device)
        _check_room(ahead, ranks)
        run = Run(recipe, mixture, request, ranks)
        start_seconds = time.perf_counter() - since
        trials = [try_stage(run, number) for number in range(len(recipe.stages))]
        found = [
            _stage_estimate(run, stage, trial, _held(ahead, ranks, program, trial))
            for stage, trial in zip(ahead.stages, trials, strict=True)
        ]
        return Estimate(ahead, ranks.world, start_seconds, found, price)


def _quiet(recipe: Recipe) -> Recipe:
    return recipe.model_copy(update={"log": recipe.log.model_copy(update={"tensorboard": False})})


def _check_room(ahead: Outlook, ranks: Ranks) -> None:
    """Refuse a model whose weights, gradients and moments alone do not fit, before they are made."""
    wanted = 2 * ahead.weight_bytes + ahead.moment_bytes
    at_hand = SPARE * memory.to_be_had(ranks.device)
    if wanted > at_hand:
        raise OutOfMemoryError(
            f"weights, gradients and moments take {wanted / MIB:,.0f} MiB and {at_hand / MIB:,.0f} MiB can be had. "
            "Use a smaller model, for example --set model=small"
        )


def _held(ahead: Outlook, ranks: Ranks, program: int, trial: Trial) -> Memory:
    """Take the most that was held apart. ZeRO 1 deals the moments out to the ranks, ZeRO 2 the gradients too."""
    dealt = ranks.world if ahead.zero_stage else 1
    return Memory(
        most=trial.most_bytes,
        weights=ahead.weight_bytes,
        gradients=ahead.weight_bytes // (ranks.world if ahead.zero_stage == 2 else 1),
        moments=ahead.moment_bytes // dealt,
        program=0 if ranks.device.type == "cuda" else program,
    )


def _stage_estimate(run: Run, stage: StageOutlook, trial: Trial, held: Memory) -> StageEstimate:
    world, evaluate = run.ranks.world, run.recipe.evaluate
    rows = stage.rows / world
    steps_seconds = max(rows * trial.row_seconds + stage.steps * trial.update_seconds, rows * trial.data_row_seconds)
    epochs = stage.rows / trial.epoch_rows
    evaluated = stage.steps / evaluate.every_steps * evaluate.max_rows / world
    extra = epochs * trial.plan_seconds + EVALUATION * evaluated * trial.row_seconds
    return StageEstimate(
        tokens=round(stage.rows * trial.row_tokens),
        epochs=epochs,
        seconds=steps_seconds + extra,
        tokens_per_second=stage.rows * trial.row_tokens / steps_seconds,
        mfu=rows * trial.row_flops / steps_seconds / run.meter.peak.flops,
        memory=held,
        wanted_micro_rows=trial.wanted_rows,
        micro_rows=trial.micro_rows,
    )
