"""Cross-entropy over the vocabulary whose gradient is computed in the forward pass.

The scores of a micro-batch's masked tokens are the largest tensors of a step by far. Here they exist once, in the
precision of the products, and become their own gradient a few rows at a time; the backward pass is two products.
Letters: M masked tokens, D hidden size, V entries.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

ROWS: Final = 64
"""Rows whose shares are worked out in fp32 at once: few enough to stay in a cache."""
ROWS_ON_GPU: Final = 1024
"""The same on a GPU: enough to keep it busy, at some 90 MB a tensor for 21,128 entries."""


def vocabulary_loss(hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Score hidden states against every entry and sum the cross-entropy of the labels.

    Args:
        hidden: of the masked tokens, after the head's transform. [M, D]
        weight, bias: the decoder's, in fp32. [V, D], [V]
        labels: the original ids. [M]

    Returns:
        The sum of the losses, differentiable in all but the labels; and how many labels score highest.
    """
    total, right = _Loss.apply(hidden, weight, bias, labels)  # type: ignore[no-untyped-call]
    return total, right


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        device = hidden.device.type
        compute = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        with torch.autocast(device, enabled=False):
            h, w = hidden.to(compute), weight.to(compute)
            scores = h @ w.t()
            total, right = torch.zeros((), device=h.device), torch.zeros((), dtype=torch.long, device=h.device)
            n = ROWS_ON_GPU if h.is_cuda else ROWS
            for some, own in zip(torch.split(scores, n), torch.split(labels, n), strict=True):
                logs = torch.log_softmax(some + bias, -1)  # the bias is fp32, so the sum and what follows are
                rows = torch.arange(own.numel(), device=own.device)
                right += (logs.argmax(-1) == own).sum()
                total -= logs[rows, own].sum()
                shares = logs.exp_()
                shares[rows, own] -= 1.0
                some.copy_(shares)
        ctx.save_for_backward(h, w, scores)
        ctx.dtypes = hidden.dtype, weight.dtype
        ctx.mark_non_differentiable(right)
        return total, right

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        h, w, gradient = ctx.saved_tensors
        upper = gradients[0]
        to_hidden, to_weight = ctx.dtypes
        with torch.autocast(h.device.type, enabled=False):
            down = (gradient @ w).to(to_hidden) * upper
            across = (gradient.t() @ (h * upper).to(h.dtype)).to(to_weight)
            ones = gradient.new_ones(1, len(gradient))  # as a product ten times faster than sum(0)
            to_bias = (ones @ gradient)[0].float() * upper
        return down, across, to_bias, None
