"""Hidden dropout on the CPU with four draws from one number of the generator.

PyTorch's CPU draws a number for every unit, which is a fifth of a training step of a small model. Sixteen bits a unit
are enough: the share that is dropped is met to 1 in 65,536.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

_LEVELS: Final = 1 << 16


class FastDropout(nn.Dropout):
    """`nn.Dropout` whose draws come from the default generator by 64 bits, four units each."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop units with probability p and scale the others up, in training only. A compiler has draws of its own."""
        if not self.training or self.p == 0.0 or input.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(input)
        dropped: Tensor = _Drop.apply(input, round(self.p * _LEVELS))  # type: ignore[no-untyped-call]
        return dropped


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, units: Tensor, threshold: int) -> Tensor:
        bits = torch.empty((units.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
        kept = bits.view(torch.int16)[: units.numel()].view(units.shape) >= threshold - _LEVELS // 2
        ctx.save_for_backward(kept)
        ctx.scale = _LEVELS / (_LEVELS - threshold)
        return (units * kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return (gradients[0] * kept).mul_(ctx.scale), None


def quicken_dropout(model: nn.Module) -> None:
    """Put `FastDropout` in the place of every `nn.Dropout` of a model. Parameters and names stay as they are."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, FastDropout(child.p))
