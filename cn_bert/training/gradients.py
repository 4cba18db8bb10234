"""The gradient of a step, between its last backward and the update, at any ZeRO stage.

At stage 0 it lies whole in the parameters of every rank. At stages 1 and 2 DeepSpeed has moved each rank's slice of it
into `averaged_gradients`, and takes it from there when the update is made.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from cn_bert.training.engine import Ranks


def averaged(engine: Any) -> list[Tensor]:
    """List the gradient as the update would take it: averaged over ranks, whole at stage 0, else this rank's slices."""
    if engine.zero_optimization_stage():
        return [part for group in engine.optimizer.averaged_gradients.values() for part in group]
    return [parameter.grad for parameter in engine.module.parameters() if parameter.grad is not None]


def is_finite(engine: Any, ranks: Ranks) -> bool:
    """Say whether the gradient's norm is a number, the same on every rank. All ranks call this together.

    DeepSpeed 0.19.8 alone leaves the update out without a word at stages 1 and 2, and makes it at stage 0.
    """
    spoiled = get_total_norm(averaged(engine)).isfinite().logical_not()
    return not int(ranks.sum(spoiled.to(ranks.device, torch.int32)))


def drop(engine: Any) -> None:
    """Forget the gradient, so that the next step begins as if this one's backward had never been."""
    engine.optimizer.zero_grad()
    if engine.zero_optimization_stage():
        engine.optimizer.averaged_gradients = dict.fromkeys(engine.optimizer.averaged_gradients)
