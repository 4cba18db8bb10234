"""Optimizers, each parameter under the rule and the weight decay that fit it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

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


class MuonWithAdamW(Optimizer):
    """Muon for the matrices of the encoder's layers and AdamW for the rest, as one optimizer.

    Groups and states are those of the two inside: a rate set here is theirs, and a state read here is theirs.

    Muon makes the momentum of a matrix orthogonal before it steps, which needs the matrix whole, so it runs at ZeRO
    stage 0 only. Its steps are scaled to the size AdamW's have, so one rate does for both.

    Sources: Keller Jordan, kellerjordan.github.io/posts/muon, for the rule, which is torch's own here; Liu et al. 2025,
    arXiv:2502.16982, for its weight decay and scale.
    """

    def __init__(self, muon: Muon, adamw: AdamW) -> None:
        super().__init__([*muon.param_groups, *adamw.param_groups], {})  # torch keeps the very groups it is given
        self._parts = (muon, adamw)
        for part in self._parts:
            part.state = self.state

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for part in self._parts:
            part.step()  # type: ignore[no-untyped-call]


NEEDS_REAL_SHAPES: Final = frozenset({"lamb", "muon"})
"""Optimizers that are wrong over the flat tensors of ZeRO stages 1 and above."""


def build_optimizer(model: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """Build a recipe's optimizer over a model's parameters, each in its own shape. The rate is set before each step."""
    hidden: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (hidden if settings.name == "muon" and is_hidden_matrix(name, parameter) else others).append(parameter)
    groups = parameter_groups(others, settings.weight_decay)
    beta1, beta2 = settings.betas
    if settings.name == "lamb":
        return Lamb(groups, lr=0.0, betas=(beta1, beta2), eps=settings.eps)
    adamw = AdamW(groups, lr=0.0, betas=(beta1, beta2), eps=settings.eps, fused=True)
    if settings.name == "adamw":
        return adamw
    decay = settings.weight_decay
    muon = Muon(hidden, lr=0.0, weight_decay=decay, momentum=0.95, nesterov=True, adjust_lr_fn="match_rms_adamw")
    return MuonWithAdamW(muon, adamw)


def is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    """Say whether a parameter is a matrix of the encoder's layers; those of embeddings and heads are not."""
    return parameter.ndim == 2 and ".encoder." in name


def parameter_groups(parameters: Sequence[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Split parameters into those that are decayed and those that are not: vectors, so biases and LayerNorm weights."""
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay, "decays": True},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, "decays": False},
    ]
