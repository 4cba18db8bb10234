"""Attention over packed rows on the CPU: sequences of about one length are one batch of matrix products.

`scaled_dot_product_attention` of PyTorch's CPU has no fast backward in bf16. Plain products, head by head, read and
write the tokens where they lie, and one head's weights fit into a cache. Letters: T tokens of all sequences, H heads, D
size of a head, N sequences and L positions of a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cn_bert.layout import Group, Groups


def grouped_attention(query: Tensor, key: Tensor, value: Tensor, groups: Groups, scale: float) -> Tensor:
    """Attend inside each sequence of a packed row. query, key, value, result [T, H, D]"""
    attended: Tensor = _Attention.apply(query, key, value, groups, scale)  # type: ignore[no-untyped-call]
    return attended


class _Attention(torch.autograd.Function):
    """Softmax(scale x Q K^T) V for every group and head; the weights are kept for the backward pass.

    Positions past a sequence's end weigh nothing as keys and are dropped as queries, so their gradient is 0: gathers
    stand both ways, where index_select's own backward would scatter, which is many times slower.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, groups: Groups, scale: float) -> Tensor:
        with torch.autocast(query.device.type, enabled=False):
            scaled, keys, values = (groups.lay_out(x) for x in (query * scale, key, value))
            output = torch.empty_like(scaled)
            weights: list[Tensor] = []
            for group, q, k, v, out in zip(
                groups.groups, *map(groups.split, (scaled, keys, values, output)), strict=True
            ):
                weights += _attend(group, q, k, v, out)
        ctx.save_for_backward(scaled, keys, values, *weights)
        ctx.groups, ctx.scale = groups, scale
        return groups.bring_back(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        groups: Groups = ctx.groups
        scaled, keys, values, *weights = ctx.saved_tensors
        with torch.autocast(scaled.device.type, enabled=False):
            upper = groups.lay_out(gradients[0])
            if groups.real is not None:
                upper = upper * groups.real
            to_scaled, to_keys, to_values = (torch.empty_like(x) for x in (scaled, keys, values))
            n_heads = scaled.shape[1]
            inputs = zip(*map(groups.split, (upper, scaled, keys, values)), strict=True)
            outputs = zip(*map(groups.split, (to_scaled, to_keys, to_values)), strict=True)
            for number, (given, wanted) in enumerate(zip(inputs, outputs, strict=True)):
                _attend_back(given, wanted, weights[number * n_heads : (number + 1) * n_heads])
            to_query = groups.bring_back(to_scaled) * ctx.scale
        return to_query, groups.bring_back(to_keys), groups.bring_back(to_values), None, None


def _attend(group: Group, query: Tensor, key: Tensor, value: Tensor, output: Tensor) -> list[Tensor]:
    """Fill the output of a group; returns the weights of each head. query (scaled), key, value, output [N, L, H, D]"""
    hidden = None if group.real is None else ~group.real[:, None]
    weights = []
    for head in range(query.shape[2]):
        scores = torch.bmm(query[:, :, head], key[:, :, head].transpose(1, 2))
        if hidden is not None:
            scores.masked_fill_(hidden, float("-inf"))
        weights.append(torch.softmax(scores, -1))
        output[:, :, head] = torch.bmm(weights[-1], value[:, :, head])
    return weights


def _attend_back(given: Sequence[Tensor], wanted: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
    """Fill the gradients of a group.

    Args:
        given: gradient of the output, query (scaled), key, value. Each [N, L, H, D]
        wanted: gradients of query, key, value. Each [N, L, H, D]
        weights: of each head. [N, L, L]
    """
    for head, weight in enumerate(weights):
        upper, query, key, value = (x[:, :, head] for x in given)
        to_query, to_key, to_value = (x[:, :, head] for x in wanted)
        to_value.copy_(torch.bmm(weight.transpose(1, 2), upper))
        to_weight = torch.bmm(upper, value.transpose(1, 2))
        to_scores = torch.ops.aten._softmax_backward_data(to_weight, weight, -1, weight.dtype)
        to_query.copy_(torch.bmm(to_scores, key))
        to_key.copy_(torch.bmm(to_scores.transpose(1, 2), query))
