"""Attention over packed rows: many sequences lie end to end in one row and none sees another.

transformers' own encoders reach this through their documented extension points: `register()` adds the attention
implementation "packed", and an encoder whose config names it passes the keyword arguments of its call down to
`packed_attention`, the layout of the sequences among them. Letters: T tokens of all sequences, H
heads, D size of a head.
"""

from __future__ import annotations

from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, AttentionMaskInterface

from cn_bert.layout import Layout
from cn_bert.models.compiled import attend
from cn_bert.models.grouped_attention import grouped_attention

IMPLEMENTATION: Final = "packed"


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
    """Attend inside each sequence of a packed row: on a GPU in bf16 by PyTorch's `varlen_attn` (flash attention),
    else by groups of equal length. Either is one operator where layers are compiled.

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
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if query.is_cuda and query.dtype == torch.bfloat16:
        bounds, longest = layout.cu_seqlens, layout.longest
        attended = cast(Tensor, varlen_attn(q, k, v, bounds, bounds, longest, longest, scale=scale))
    elif torch.compiler.is_compiling():
        attended = attend(q, k, v, layout.cu_seqlens, scale)
    else:
        attended = grouped_attention(q, k, v, layout.groups, scale)
    return attended[None], None


def register() -> None:
    """Make "packed" known to transformers. Calling it again changes nothing."""
    AttentionInterface.register(IMPLEMENTATION, packed_attention)
    AttentionMaskInterface.register(IMPLEMENTATION, lambda *args, **kwargs: None)
