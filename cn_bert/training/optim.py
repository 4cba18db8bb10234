"""Optimizers, with weight decay where it belongs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from cn_bert.config import OptimizerSettings


class Lamb(Optimizer):
    """LAMB: Adam's direction, scaled for each parameter by the ratio of the weights' norm to the update's.

    A group may say under "decays" whether it is one that decays, and so has a ratio, though its decay be 0.

    The ratio needs parameters in their real shapes; over a flattened group it would be silently wrong, so LAMB runs
    at ZeRO stage 0 only. The moments are corrected for their bias, as in the paper; parameters that are never decayed
    (biases, LayerNorm) keep a ratio of 1.

    Source: arXiv:1904.00962, algorithm 2; the exclusion is that of google-research/albert's LAMB.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        beta1, beta2 = group["betas"]
        state["step"] += 1
        step = float(state["step"])
        first = state["exp_avg"].lerp_(gradient, 1 - beta1)
        second = state["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        update = (first / (1 - beta1**step)) / ((second / (1 - beta2**step)).sqrt_() + group["eps"])
        ratio = torch.ones((), device=parameter.device)
        if group.get("decays", bool(group["weight_decay"])):
            update.add_(parameter, alpha=group["weight_decay"])
            weight_norm, update_norm = parameter.norm(), update.norm()
            ratio = torch.where((weight_norm > 0) & (update_norm > 0), weight_norm / update_norm, ratio)
        parameter.sub_(update.mul_(ratio), alpha=group["lr"])


NEEDS_REAL_SHAPES: Final = frozenset({"lamb"})
"""Optimizers that are wrong over the flat tensors of ZeRO stages 1 and above."""


def build_optimizer(model: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """Build a recipe's optimizer over a model's parameters, each in its own shape. The rate is set before each step."""
    groups = parameter_groups(model, settings.weight_decay)
    beta1, beta2 = settings.betas
    if settings.name == "lamb":
        return Lamb(groups, lr=0.0, betas=(beta1, beta2), eps=settings.eps)
    return AdamW(groups, lr=0.0, betas=(beta1, beta2), eps=settings.eps, fused=True)


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split parameters into those that are decayed and those that are not: vectors, so biases and LayerNorm weights."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay, "decays": True},
        {"params": vectors, "weight_decay": 0.0, "decays": False},
    ]
