"""Packed sequences as the encoder takes them: the form in which data reaches the objectives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from cn_bert.layout import Layout
from corpus_tools.schema import Offsets


@dataclass(frozen=True)
class Shape:
    """What micro-batches are filled up to, so that all of a stage have one form."""

    rows: int
    row_tokens: int

    @property
    def tokens(self) -> int:
        return self.rows * self.row_tokens


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Sequences of some rows, end to end. T tokens, S sequences, M masked tokens."""

    input_ids: Tensor
    """Corrupted ids. [1, T]"""
    token_type_ids: Tensor
    """Segment of each token. [1, T]"""
    position_ids: Tensor
    """Counted from 0 in each sequence. [1, T]"""
    layout: Layout
    """Where each sequence begins."""
    masked_positions: Tensor
    """Which tokens are predicted. [M]"""
    labels: Tensor
    """Their original ids. [M]"""
    cls_positions: Tensor
    """Where each [CLS] stands. [S]"""
    is_next: Tensor
    """1 where segment B continues A, 0 where it is random, -1 where there is nothing to tell. [S]"""
    n_real_tokens: int
    """Tokens of sequences that count: fillers left out."""

    @property
    def bounds(self) -> Offsets:
        """Where each sequence begins, and the end of the last; what a shape is filled up by is left out. [S + 1]"""
        return self.layout.bounds[: self.cls_positions.numel() + 1]

    def filled(self, shape: Shape, pad_id: int) -> MicroBatch:
        """Return the same sequences in a row of the shape's tokens, the rest of it filled up by [PAD].

        What fills it up stands at the end, in sequences of its own of at most a row; it predicts nothing and counts
        as nothing.
        """
        n_tokens = self.input_ids.shape[1]
        n_left = shape.tokens - n_tokens
        starts = np.arange(n_tokens, shape.tokens, shape.row_tokens)
        bounds = np.concatenate([self.layout.bounds[:-1], starts, [shape.tokens]])
        positions = torch.arange(n_left).remainder(shape.row_tokens)
        return replace(
            self,
            input_ids=pad(self.input_ids, (0, n_left), value=pad_id),
            token_type_ids=pad(self.token_type_ids, (0, n_left)),
            position_ids=torch.cat([self.position_ids, positions[None]], 1),
            layout=Layout.fixed(bounds, shape.row_tokens),
        )

    def to(self, device: torch.device) -> MicroBatch:
        """Return the same batch on another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True), self.layout.to(device))

    def pinned(self) -> MicroBatch:
        """Return the same batch in memory that a GPU copies from by itself, so that `to` waits for nobody."""
        return self._each(Tensor.pin_memory, self.layout.pinned())

    def _each(self, move: Callable[[Tensor], Tensor], layout: Layout) -> MicroBatch:
        held = {one.name: getattr(self, one.name) for one in fields(self)}
        moved: dict[str, Any] = {name: move(value) for name, value in held.items() if isinstance(value, Tensor)}
        return replace(self, layout=layout, **moved)
