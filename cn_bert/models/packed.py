"""Attention over packed rows: many sequences lie end to end in one row and none sees another.

transformers' own encoders reach this through their documented extension points: `register()` adds the attention
implementation "packed", and an encoder whose config names it passes the keyword arguments of its call down to
`packed_attention`, the layout of the sequences among them. Letters: T tokens of all sequences, S sequences, H heads,
D size of a head, N sequences and L positions of a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

from corpus_tools.errors import RefusedError

IMPLEMENTATION: Final = "packed"
BUCKET: Final = 32
"""Sequences whose lengths round up to the same multiple are computed together."""


@dataclass(frozen=True)
class Group:
    """Sequences computed by one call."""

    n: int
    length: int
    """L, the longest of them; shorter ones are filled up by repeating their first token."""
    real: Tensor | None
    """Which positions are the sequence's own, None where all are. [N, 1, 1, L]"""


@dataclass(frozen=True)
class Layout:
    """How the sequences of a packed row are computed."""

    groups: tuple[Group, ...]
    there: Tensor
    """Token at each position of the groups, laid end to end. [sum of N x L]"""
    real: Tensor | None
    """Which positions are a sequence's own, None where all are. [sum of N x L, 1, 1]"""
    back: Tensor
    """Position of each token. [T]"""

    @classmethod
    def of(cls, cu_seqlens: Tensor) -> Layout:
        """Group sequences by length.

        Args:
            cu_seqlens: where each sequence begins, and the row's end. [S + 1]
        """
        device = cu_seqlens.device
        bounds = cu_seqlens.to("cpu", torch.long)
        starts, lengths = bounds[:-1], bounds.diff()
        width = (lengths + BUCKET - 1).div(BUCKET, rounding_mode="floor") * BUCKET
        groups, there, real = [], [], []
        for size in sorted(set(width.tolist())):
            members = (width == size).nonzero().squeeze(1)
            steps = torch.arange(int(lengths[members].max()))
            own = steps[None] < lengths[members, None]
            there.append((starts[members, None] + torch.where(own, steps, 0)).flatten())
            real.append(own.flatten())
            groups.append(Group(own.shape[0], own.shape[1], None if bool(own.all()) else own[:, None, None].to(device)))
        all_there, all_real = torch.cat(there), torch.cat(real)
        back = torch.empty(int(bounds[-1]), dtype=torch.long)
        back[all_there[all_real]] = all_real.nonzero().squeeze(1)
        mask = None if bool(all_real.all()) else all_real[:, None, None].to(device)
        return cls(tuple(groups), all_there.to(device), mask, back.to(device))


class _ToGroups(torch.autograd.Function):
    """Tokens to positions. The gradient is the inverse gather, many times faster than index_select's scatter."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, layout: Layout) -> Tensor:
        ctx.layout = layout
        return tokens.index_select(0, layout.there)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # Positions past a sequence's end are masked as keys and dropped as queries: their gradient is 0.
        return gradient.index_select(0, ctx.layout.back), None


class _FromGroups(torch.autograd.Function):
    """Positions to tokens, the inverse of `_ToGroups`."""

    @staticmethod
    def forward(ctx: Any, positions: Tensor, layout: Layout) -> Tensor:
        ctx.layout = layout
        return positions.index_select(0, layout.back)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        spread = gradient.index_select(0, ctx.layout.there)
        return spread if ctx.layout.real is None else spread * ctx.layout.real, None


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    layout: Layout | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend inside each sequence of a packed row.

    Args:
        query, key, value: projections of one packed row. [1, H, T, D]
        attention_mask: always None, the layout says who sees whom.
        layout: the sequences of the row.

    Returns:
        The attended values [1, T, H, D], and None in place of the weights.

    Raises:
        ValueError: the layout is missing or attention dropout is not 0; both are bugs of the caller.
    """
    if layout is None or attention_mask is not None or query.shape[0] != 1:
        raise ValueError("packed attention needs one row, its layout and no mask")
    if dropout:
        raise ValueError("packed attention has no dropout; set attention_probs_dropout_prob to 0")
    sizes = [group.n * group.length for group in layout.groups]
    parts = [torch.split(_to_groups(x.transpose(1, 2).squeeze(0), layout), sizes) for x in (query, key, value)]
    outputs = [_attend(group, q, k, v, scaling) for group, q, k, v in zip(layout.groups, *parts, strict=True)]
    attended: Tensor = _FromGroups.apply(torch.cat(outputs), layout)  # type: ignore[no-untyped-call]
    return attended[None], None


def _to_groups(tokens: Tensor, layout: Layout) -> Tensor:
    positions: Tensor = _ToGroups.apply(tokens, layout)  # type: ignore[no-untyped-call]
    return positions


def _attend(group: Group, query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
    """Attend in the sequences of a group. query, key, value [N x L, H, D]"""
    q, k, v = (x.view(group.n, group.length, *x.shape[1:]).transpose(1, 2) for x in (query, key, value))
    attended = scaled_dot_product_attention(q, k, v, attn_mask=group.real, scale=scaling)
    return attended.transpose(1, 2).flatten(0, 1)


def register() -> None:
    """Make "packed" known to transformers. Calling it again changes nothing."""
    AttentionInterface.register(IMPLEMENTATION, packed_attention)
    AttentionMaskInterface.register(IMPLEMENTATION, lambda *args, **kwargs: None)


@torch.no_grad()
def probe(encoder: nn.Module, vocabulary_size: int) -> None:
    """Check that sequences of a row do not see each other: change one, the other's output must not move.

    A class that swallows unknown arguments would attend across sequences in silence; this is the guard against it.
    Each of two sequences is changed in turn, because a causal encoder leaks in one direction only.

    Raises:
        RefusedError: the other sequence's output moved, or a changed sequence's own did not.
    """
    was_training = encoder.training
    encoder.eval()
    device = next(encoder.parameters()).device
    ids = torch.arange(12, device=device).remainder(vocabulary_size)[None]
    first, second = slice(0, 5), slice(5, 12)
    before = _outputs(encoder, ids)
    apart = True
    for changed, other in ((first, second), (second, first)):
        altered = ids.clone()
        altered[0, changed] = (ids[0, changed] + 7).remainder(vocabulary_size)
        after = _outputs(encoder, altered)
        apart &= torch.equal(before[other], after[other]) and not torch.equal(before[changed], after[changed])
    encoder.train(was_training)
    if not apart:
        raise RefusedError(
            f"{type(encoder).__name__} does not keep the sequences of a packed row apart; it cannot be pre-trained here"
        )


def _outputs(encoder: nn.Module, ids: Tensor) -> Tensor:
    """Run the probe's row: two sequences, of 5 and 7 tokens."""
    positions = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6]], device=ids.device)
    layout = Layout.of(torch.tensor([0, 5, 12], device=ids.device))
    hidden: Tensor = encoder(
        input_ids=ids, position_ids=positions, token_type_ids=torch.zeros_like(ids), layout=layout
    )[0][0]
    return hidden
