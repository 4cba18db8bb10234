"""One optimizer step after the other: the only place where losses, ranks and the engine meet.

A step is a pure function of the weights and its number. All of its masks are drawn before the first forward, the
counts of its predictions are added up over the ranks, and every micro-batch's loss is the sum over objectives of
weight x sum x ranks / count. DeepSpeed then averages over ranks, and what comes out is the gradient of the mean over
the whole step, however its rows were dealt out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor

from cn_bert.data.batches import StepBatch
from cn_bert.micro_batch import MicroBatch
from cn_bert.objectives import Objective
from cn_bert.training import gradients
from cn_bert.training.engine import Ranks
from corpus_tools.draw import state_of
from corpus_tools.errors import OutOfMemoryError

DROPOUT: Final = 0xD0
"""Purpose of the key that seeds dropout, beside seed, step, rank and micro-batch."""


@dataclass(frozen=True)
class Outcome:
    """What a step came to, over all ranks."""

    loss: float
    """The sum over objectives of weight x mean."""
    objectives: Mapping[str, tuple[float, float]]
    """Of each: mean loss and share of right predictions."""
    tokens: int
    """Real tokens, fillers left out."""
    skipped: str | None = None
    """What was no number, "loss" or "gradient", so that no update was made; None: one was."""

    def values(self) -> dict[str, float]:
        """Lay the outcome out for a log."""
        found = {"loss": self.loss}
        for name, (mean, right) in self.objectives.items():
            found |= {f"{name}_loss": mean, f"{name}_accuracy": right}
        return found


def train_step(
    engine: Any, batch: StepBatch, objectives: Sequence[Objective], ranks: Ranks, *, seed: int, step: int, lr: float
) -> Outcome:
    """Make one optimizer step, or skip it where its loss or gradient is no number: weights and moments then stay.

    Args:
        engine: the DeepSpeed engine over a PretrainingModule.
        batch: this rank's share of the step.
        objectives: the stage's.
        ranks: this process among all.
        seed, step: key of the dropout.
        lr: rate of this update.

    Raises:
        OutOfMemoryError: a micro-batch does not fit.
    """
    scales = scales_of(global_counts(batch.counts, objectives, ranks), objectives, ranks)
    for group in engine.optimizer.param_groups:
        group["lr"] = lr
    sums = torch.zeros(len(objectives), 2, dtype=torch.float64, device=ranks.device)
    last = len(batch.micro_batches) - 1
    for number, micro in enumerate(batch.micro_batches):
        torch.manual_seed(state_of((seed, step, ranks.rank, number, DROPOUT)) >> 1)
        engine.set_gradient_accumulation_boundary(number == last)
        with memory_named(*_of_micro_batch(micro)):
            loss, found = engine(micro.to(ranks.device), objectives, scales)
            engine.backward(loss, scale_wrt_gas=False)
        sums += found
    outcome = summarise(sums, batch.counts, batch.n_real_tokens, objectives, ranks)
    skipped = _spoiled(engine, outcome.loss, ranks)
    if skipped:
        gradients.drop(engine)
        return replace(outcome, skipped=skipped)
    with memory_named(*_of_micro_batch(micro)):
        engine.step()
    return outcome


def _spoiled(engine: Any, loss: float, ranks: Ranks) -> str | None:
    if not math.isfinite(loss):
        return "loss"
    return None if gradients.is_finite(engine, ranks) else "gradient"


@contextmanager
def memory_named(what: str, remedy: str) -> Iterator[None]:
    """Turn an allocation that failed, on a GPU or on the CPU, into advice.

    Raises:
        OutOfMemoryError: `what` does not fit.
    """
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one; on the CPU it is a plain one with this text
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise OutOfMemoryError(f"{what} does not fit into memory. {remedy}") from error


def _of_micro_batch(micro: MicroBatch) -> tuple[str, str]:
    return (
        f"a micro-batch of {micro.input_ids.numel():,} tokens",
        "Compute fewer rows at once: --set micro_rows=1, or more until it fits",
    )


def global_counts(counts: Mapping[str, int], objectives: Sequence[Objective], ranks: Ranks) -> dict[str, Tensor]:
    """Add up over the ranks how many predictions each kind of objective makes. The sums stay on the device: nobody
    waits for a GPU to tell them, so it has the step's first micro-batch before it has done the last step's update."""
    names = sorted({one.counts for one in objectives})
    own = [counts[name] for name in names]
    on_host = torch.tensor(own, dtype=torch.float64, pin_memory=ranks.device.type == "cuda")
    totals = ranks.sum(on_host.to(ranks.device, non_blocking=True))
    return dict(zip(names, totals.unbind(), strict=True))


def scales_of(counts: Mapping[str, Tensor], objectives: Sequence[Objective], ranks: Ranks) -> dict[str, Tensor]:
    """Return what each objective's sum is multiplied by, so that its average over ranks is the step's weighted mean.

    Args:
        counts: global counts.
    """
    return {one.name: (one.weight * ranks.world / counts[one.counts].clamp(min=1)).float() for one in objectives}


def summarise(
    sums: Tensor, counts: Mapping[str, int], tokens: int, objectives: Sequence[Objective], ranks: Ranks
) -> Outcome:
    """Turn this rank's sums into means over all ranks.

    Args:
        sums: of each objective, the sum of its losses and its right predictions. [O, 2]
        counts: this rank's.
        tokens: this rank's real tokens.
    """
    numbers = sums.new_tensor([*(float(counts[one.counts]) for one in objectives), float(tokens)])
    everything = ranks.sum(torch.cat([sums.flatten(), numbers])).tolist()
    found, loss = {}, 0.0
    for number, one in enumerate(objectives):
        total, right = everything[2 * number : 2 * number + 2]
        n = max(everything[2 * len(objectives) + number], 1.0)
        found[one.name] = (total / n, right / n)
        loss += one.weight * total / n
    return Outcome(loss, found, round(everything[-1]))
