"""A look at the gradients before the first step: are those that DeepSpeed would apply the ones PyTorch computes?

Several releases of DeepSpeed have applied wrong gradients without a word: a micro-batch left out, ranks not summed,
everything scaled. Which settings bring that out changes from release to release, so a run tries its own: its model, its
ranks, its configuration, two micro-batches. The optimizer's own step is held back, so nothing is learned from them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import deepspeed
import torch
from torch import Tensor, nn

from cn_bert.data.batches import count, micro_batch
from cn_bert.micro_batch import MicroBatch
from cn_bert.objectives import Objective
from cn_bert.training.engine import Ranks
from cn_bert.training.loop import global_counts, scales_of
from cn_bert.training.stage import Stage
from corpus_tools.errors import RefusedError

MICRO_BATCHES: Final = 2
"""Of one row each; the first tells what one that does not end a step is good for."""
TOLERANCES: Final[Mapping[torch.dtype, float]] = {torch.float32: 1e-4, torch.bfloat16: 1e-2}
"""Most that a gradient may differ by, relative to its norm. Both sides compute the same products, so what is left is
the order of their sums, and kernels that do not repeat themselves."""
SMALLEST_SHARE: Final = 1e-2
"""Of the whole gradient's norm: a parameter that has less is measured as if it had this much. Some gradients are 0 but
for rounding (a key's bias), and no two computations agree on those."""
BELOW_CLIP: Final = 1 / 8
"""The loss is scaled so that the gradient's norm is at most this share of where clipping begins: a clipped gradient
has the same norm whatever it was scaled by."""
COUNTERS: Final = ("micro_steps", "global_steps", "global_samples")
"""What an engine counts; put back, for these are no steps of the run."""
WHOLE: Final = "all parameters"
"""Beside their names: the norm that DeepSpeed clips by."""


def first_rows(stage: Stage, step: int, ranks: Ranks) -> list[MicroBatch]:
    """Make this rank's micro-batches of one row from a step of the stage, its rows used again where they are few."""
    rows, masker, shape = stage.steps.rows_of_step(step), stage.masker_of(step), stage.shape(ranks)
    mine = [rows[(ranks.rank + number * ranks.world) % len(rows)] for number in range(MICRO_BATCHES)]
    return [micro_batch(stage.mixture, masker, [(stage.steps.plans.plan(epoch), row)], shape) for epoch, row in mine]


@dataclass(frozen=True)
class _Step:
    """What both sides compute."""

    batches: Sequence[MicroBatch]
    objectives: Sequence[Objective]
    scales: Mapping[str, Tensor]
    device: torch.device

    def loss(self, module: Any, number: int) -> Tensor:
        """Return the loss of a micro-batch, with the same dropout whoever asks."""
        torch.manual_seed(number)
        loss: Tensor = module(self.batches[number].to(self.device), self.objectives, self.scales)[0]
        return loss


def check_gradients(
    engine: Any, batches: Sequence[MicroBatch], objectives: Sequence[Objective], ranks: Ranks
) -> float | None:
    """Compare the gradients DeepSpeed would apply with those of plain autograd, added up over ranks.

    Weights, moments, counters and generators are afterwards as before. All ranks call this together and agree.

    Args:
        engine: over a PretrainingModule in training mode, between two steps.
        batches: this rank's micro-batches.
        objectives: the stage's.
        ranks: this process among all.

    Returns:
        The largest difference, relative to the gradient; None where plain autograd's own is no number, which says
        nothing of DeepSpeed.

    Raises:
        RefusedError: a parameter's gradient, or the norm that DeepSpeed clips by, differs by more than rounding.
    """
    scales = scales_of(global_counts(count(batches), objectives, ranks), objectives, ranks)
    step = _Step(batches, objectives, scales, ranks.device)
    named = {name: parameter for name, parameter in engine.module.named_parameters() if parameter.requires_grad}
    with torch.random.fork_rng([ranks.device] if ranks.device.type == "cuda" else []):
        plain = _plain(engine.module, list(named.values()), step, ranks)
        norm = math.hypot(*map(_norm, plain))
        if not math.isfinite(norm):
            return None
        clip = engine.gradient_clipping()
        # A power of two, by which no bit of a product is rounded otherwise.
        factor = 2.0 ** math.floor(math.log2(BELOW_CLIP * clip / norm)) if clip and norm else 1.0
        handed = _handed_over(engine, step, factor)
    found = {}
    for (name, parameter), gradient in zip(named.items(), plain, strict=True):
        ours, theirs = gradient.mul_(factor), _of(parameter, handed, engine, ranks)
        found[name.removeprefix("model.")] = (_norm(ours), _norm(theirs), _norm(theirs - ours))
    clips_by = engine.get_global_grad_norm()  # None at stage 0, where PyTorch's own function clips
    if clips_by is not None:
        found[WHOLE] = (factor * norm, float(clips_by), abs(float(clips_by) - factor * norm))
    return _judge(found, factor * norm, engine, ranks)


def _plain(module: nn.Module, parameters: Sequence[Tensor], step: _Step, ranks: Ranks) -> list[Tensor]:
    """Return the gradients of the mean over ranks, by autograd alone: no hook of DeepSpeed's sees them."""
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    for number in range(len(step.batches)):
        gradients = torch.autograd.grad(step.loss(module, number), parameters, allow_unused=True)
        for total, gradient in zip(sums, gradients, strict=True):
            if gradient is not None:  # a head that no objective reads has none
                total += gradient
    return [ranks.sum(total) / ranks.world for total in sums]


def _handed_over(engine: Any, step: _Step, factor: float) -> dict[Tensor, Tensor]:
    """Have DeepSpeed make a step and return what it hands to the optimizer, which takes none.

    Returns:
        Gradients by the tensors they belong to: parameters at stage 0, this rank's flat slices at stages 1 and 2.
    """
    handed: dict[Tensor, Tensor] = {}
    optimizer = engine.optimizer.optimizer if engine.zero_optimization_stage() else engine.optimizer

    def keep() -> None:
        for group in optimizer.param_groups:
            handed.update((one, one.grad.clone()) for one in group["params"] if one.grad is not None)

    counters = {name: getattr(engine, name) for name in COUNTERS}
    optimizer.step = keep
    try:
        last = len(step.batches) - 1
        for number in range(last + 1):
            engine.set_gradient_accumulation_boundary(number == last)
            engine.backward(step.loss(engine, number) * factor, scale_wrt_gas=False)
        engine.step()
    finally:
        del optimizer.step  # the class's own is seen again
    for name, value in counters.items():
        setattr(engine, name, value)
    return handed


def _of(parameter: Tensor, handed: Mapping[Tensor, Tensor], engine: Any, ranks: Ranks) -> Tensor:
    """Return a parameter's gradient out of what was handed over, whole and in its shape; 0 where nothing was."""
    if not engine.zero_optimization_stage():
        return handed.get(parameter, torch.zeros_like(parameter))
    whole, part = torch.zeros_like(parameter).flatten(), parameter._hp_mapping  # type: ignore[attr-defined]
    if part is not None:  # something of it is in this rank's slice
        gradient = handed.get(engine.optimizer.single_partition_of_fp32_groups[part.param_group_index])
        if gradient is not None:
            of_parameter, of_slice = part.lp_fragment_address, part.hp_fragment_address
            whole[of_parameter.start :][: of_parameter.numel] = gradient[of_slice.start :][: of_slice.numel]
    return ranks.sum(whole).view_as(parameter)


def _judge(found: Mapping[str, tuple[float, float, float]], norm: float, engine: Any, ranks: Ranks) -> float:
    """Refuse the largest difference if it is more than rounding, else return it.

    Args:
        found: of each parameter the norms of plain autograd's gradient, of DeepSpeed's, and of their difference.
        norm: of plain autograd's whole gradient.
    """
    squares = torch.tensor(list(found.values()), dtype=torch.float64, device=ranks.device).square()
    means = (ranks.sum(squares) / ranks.world).sqrt().tolist()  # over ranks, so that all judge alike
    relative = {
        name: difference / max(ours, SMALLEST_SHARE * norm) if difference else 0.0
        for name, (ours, _, difference) in zip(found, means, strict=True)
    }
    worst = max(relative, key=lambda name: math.inf if math.isnan(relative[name]) else relative[name])
    if relative[worst] <= TOLERANCES[engine.module.compute]:
        return relative[worst]
    ours, theirs, _ = dict(zip(found, means, strict=True))[worst]
    raise RefusedError(
        f"DeepSpeed {deepspeed.__version__}, ZeRO stage {engine.zero_optimization_stage()}, {ranks.world} rank(s): the "
        f"gradient of {worst} has the norm {theirs:.6g} and plain autograd's has {ours:.6g}; they differ by "
        f"{relative[worst]:.2g} of it. Training would go wrong without a word. Use ZeRO stage 0, take settings out of "
        "the DeepSpeed file, or another release of DeepSpeed"
    )


def _norm(tensor: Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor, dtype=torch.float64))
