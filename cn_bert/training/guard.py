"""What is watched after each step: updates that had to be skipped, losses that leap up, weights that stand still.

All of it is computed from what every rank knows alike, so all ranks see the same and end together. What a step was made
of is told by the rows of its epochs' plans, which `docs/reliability.md` shows how to read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

import torch
from torch import nn

from cn_bert.config import GuardSettings
from cn_bert.training.engine import Ranks
from cn_bert.training.keeper import Keeper
from cn_bert.training.log import RunLog
from cn_bert.training.loop import Outcome
from cn_bert.training.optim import is_hidden_matrix
from cn_bert.training.stage import Stage
from corpus_tools.errors import NotFiniteError, StillError

WINDOW: Final = 128
"""Losses before a step that say what is usual; fewer say nothing."""
SPIKE_SIGMAS: Final = 6.0
SIGMA_OF_MAD: Final = 1.4826
"""Standard deviation of a normal distribution whose median absolute deviation is 1."""


class Guard:
    """The guard of a run that is going.

    Args:
        settings: the recipe's.
        module: what is trained.
        ranks: this process among all.
        log, keeper: the run's.
    """

    def __init__(self, settings: GuardSettings, module: nn.Module, ranks: Ranks, log: RunLog, keeper: Keeper) -> None:
        self._settings = settings
        self._log = log
        self._keeper = keeper
        self._skipped = self._in_a_row = 0
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._stillness = Stillness(module, ranks)

    def state(self, step: int) -> dict[str, Any]:
        """Return what a checkpoint has to hold: updates made in all, skipped steps in a row, the last losses."""
        return {"updates": step - self._skipped, "skips": self._in_a_row, "losses": list(self._losses)}

    def restore(self, state: Mapping[str, Any], step: int) -> None:
        """Go on from a checkpoint's state; one of an older version knows of no skipped steps."""
        self._skipped = step - state.get("updates", step)
        self._in_a_row = state.get("skips", 0)
        self._losses.extend(state.get("losses", ()))
        self._stillness.look_again()

    def watch(self, step: int, stage: Stage, within: int, outcome: Outcome, lr: float) -> None:
        """Take note of a step. All ranks call this together.

        Args:
            step: of the run, from 1.
            stage: it belongs to.
            within: its number in the stage, from 0; where a stage begins, losses begin to compare anew.
            outcome: what it came to.
            lr: the rate of its update.

        Raises:
            NotFiniteError: the last `guard.max_skips` steps were all skipped.
            StillError: the weights do not move.
        """
        if not within:
            self._losses.clear()
        if outcome.skipped:
            self._skip(step, outcome.skipped, stage.steps.spans_of_step(within))
            return
        self._in_a_row = 0
        usual = usual_loss(self._losses)
        if usual is not None and outcome.loss > usual[1]:
            self._spike(step, outcome.loss, usual, stage.steps.spans_of_step(within))
        self._losses.append(outcome.loss)
        self._stillness.add(lr)
        if step % self._settings.still_every == 0:
            self._stillness.check(step)

    def _skip(self, step: int, what: str, rows: Sequence[tuple[int, int, int]]) -> None:
        self._skipped += 1
        self._in_a_row += 1
        self._log.write(step=step, skipped=what, rows=rows)
        self._log.say(f"WARNING: step {step:,} is skipped: its {what} is no number; its rows are {_name(rows)}")
        if self._in_a_row >= self._settings.max_skips:
            raise NotFiniteError(
                f"step {step}: {self._in_a_row} steps in a row had a loss or a gradient that is no number. Weights and "
                "checkpoints are as before them. Lower optimizer.peak_lr and begin anew, or look at the rows that "
                "log.jsonl names"
            )

    def _spike(self, step: int, loss: float, usual: tuple[float, float], rows: Sequence[tuple[int, int, int]]) -> None:
        middle, bound = usual
        self._log.write(step=step, spike=loss, usual=middle, bound=bound, rows=rows)
        self._log.say(
            f"WARNING: step {step:,}: the loss leapt to {loss:.4f}, {middle:.4f} is usual; its rows are {_name(rows)}"
        )
        if self._settings.keep_spikes:
            self._keeper.keep_newest()


def usual_loss(losses: Sequence[float]) -> tuple[float, float] | None:
    """Return the median of the last losses, and the bound above which one is a spike; None while they are too few."""
    if len(losses) < WINDOW:
        return None
    middle = median(losses)
    sigma = SIGMA_OF_MAD * median(abs(loss - middle) for loss in losses)
    return middle, middle + SPIKE_SIGMAS * sigma


def _name(rows: Sequence[tuple[int, int, int]]) -> str:
    return ", ".join(f"{first} to {end - 1} of epoch {epoch}" for epoch, first, end in rows)


class Stillness:
    """Whether a few matrices of the encoder's layers move: of the first, of the middle and of the last.

    Args:
        module: what is trained.
        ranks: this process among all.
    """

    def __init__(self, module: nn.Module, ranks: Ranks) -> None:
        matrices = [
            (name, value)
            for name, value in module.named_parameters()
            if value.requires_grad and is_hidden_matrix(name, value)
        ]
        self._watched = dict([matrices[0], matrices[len(matrices) // 2], matrices[-1]])
        self._ranks = ranks
        self.look_again()

    def look_again(self) -> None:
        """Remember the matrices as they are now."""
        self._rates = 0.0
        self._before = {name: value.detach().clone() for name, value in self._watched.items()}

    def add(self, lr: float) -> None:
        """Take note of an update's rate."""
        self._rates += lr

    def check(self, step: int) -> None:
        """See that each matrix has moved since the last look, if an update was made with a rate above 0.

        Raises:
            StillError: one has not, on any rank.
        """
        moved = torch.stack([(self._watched[name].detach() - old).norm() for name, old in self._before.items()])
        still = self._ranks.sum((moved == 0).to(torch.int32)).tolist()
        if self._rates and any(still):
            names = ", ".join(name for name, count in zip(self._before, still, strict=True) if count)
            raise StillError(
                f"step {step}: {names} did not move since the last look, and the learning rate is above 0. It may be "
                "too small for fp32, or no gradient comes so far, or none that the optimizer takes: look at "
                "optimizer.peak_lr, and try zero_optimization.stage 0 in the DeepSpeed configuration"
            )
        self.look_again()
