"""Encoder layers compiled by `torch.compile`: one graph for all of them, without a break.

A graph belongs to the shapes it was made for, so compiled layers train on micro-batches of one form
(`MicroBatch.filled`), and what comes in any form, such as held-out rows, runs through the same layers as they are.
Attention is one operator of the graph: on a GPU in bf16 PyTorch's `varlen_attn`, which is one, elsewhere the one that
stands here. Letters: T tokens of all sequences, S sequences, H heads, D size of a head.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from cn_bert.layout import Groups
from cn_bert.models.grouped_attention import grouped_attention
from corpus_tools.errors import SettingsError

COMPILERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "cpu": ("CXX", ("g++",)),
    "cuda": ("CC", ("gcc", "clang")),
}
"""What `torch.compile` calls for code of a device: the variable that names it, and where it looks without one."""
GRAPHS: Final = 64
"""Graphs that a layer may have: one for each form of a micro-batch. A run of a few stages stays far below."""


def compile_layers(model: PreTrainedModel, device: torch.device, backend: str = "inductor") -> None:
    """Have each encoder layer compiled at its first forward; names of modules and parameters stay.

    Args:
        model: one of `FAMILIES`.
        device: what it computes on.
        backend: of `torch.compile`.

    Raises:
        SettingsError: there is no compiler for the device's code.
    """
    if backend == "inductor":
        look_for_compiler(device)
    torch._dynamo.config.recompile_limit = GRAPHS
    for layer in model.base_model.encoder.layer:
        layer.compile(backend=backend, fullgraph=True, dynamic=False)


def look_for_compiler(device: torch.device) -> None:
    """See that the compiler is there which `torch.compile` calls.

    Raises:
        SettingsError: it is not.
    """
    variable, names = COMPILERS[device.type]
    wanted = (os.environ[variable],) if os.environ.get(variable) else names
    if not any(shutil.which(name) for name in wanted):
        raise SettingsError(
            f"compile: true needs a compiler on this machine, and {' or '.join(wanted)} is not found. Install it "
            f"(Debian: apt-get install g++), name another in {variable}, or --set compile=false"
        )


@torch.library.custom_op("cn_bert::packed_attention", mutates_args=())
def attend(query: Tensor, key: Tensor, value: Tensor, cu_seqlens: Tensor, scale: float) -> Tensor:
    """Attend inside each sequence of a packed row.

    Args:
        query, key, value: projections of the row. [T, H, D]
        cu_seqlens: where each sequence begins, and T, once or several times. [S + 1 or more]
        scale: factor of the products of query and key.

    Returns:
        The attended values. [T, H, D]
    """
    return grouped_attention(query, key, value, _groups(cu_seqlens), scale).contiguous()


@torch.library.custom_op("cn_bert::packed_attention_backward", mutates_args=())
def attend_back(
    upper: Tensor, query: Tensor, key: Tensor, value: Tensor, cu_seqlens: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of query, key and value, by a second forward: a graph keeps no tensors whose shapes move,
    as those of the weights do. upper, the gradient of the result [T, H, D]"""
    with torch.enable_grad():
        given = [one.detach().requires_grad_() for one in (query, key, value)]
        attended = grouped_attention(given[0], given[1], given[2], _groups(cu_seqlens), scale)
    to_query, to_key, to_value = torch.autograd.grad(attended, given, upper)
    return to_query.contiguous(), to_key.contiguous(), to_value.contiguous()


@attend.register_fake
def _like_query(query: Tensor, *_: object) -> Tensor:
    return torch.empty_like(query, memory_format=torch.contiguous_format)


@attend_back.register_fake
def _like_each(upper: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: object) -> tuple[Tensor, Tensor, Tensor]:
    return _like_query(query), _like_query(key), _like_query(value)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.scale = inputs
    ctx.save_for_backward(*tensors)


def _back(ctx: Any, upper: Tensor) -> tuple[Tensor | None, ...]:
    return (*attend_back(upper, *ctx.saved_tensors, ctx.scale), None, None)


attend.register_autograd(_back, setup_context=_keep)


def _groups(cu_seqlens: Tensor) -> Groups:
    """Group the sequences; empty ones are none. All layers ask for the same, one after the other."""
    return _groups_of(cu_seqlens.cpu().numpy().tobytes(), cu_seqlens.device)


@lru_cache(maxsize=1)
def _groups_of(cu_seqlens: bytes, device: torch.device) -> Groups:
    return Groups.of(np.unique(np.frombuffer(cu_seqlens, np.int32)).astype(np.int64), device)
