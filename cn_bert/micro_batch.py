"""Packed sequences as the encoder takes them: the form in which data reaches the objectives."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from cn_bert.layout import Layout


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

    def to(self, device: torch.device) -> MicroBatch:
        """Return the same batch on another device."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in moved.items():
            if isinstance(value, Tensor):
                moved[name] = value.to(device, non_blocking=True)
            elif isinstance(value, Layout):
                moved[name] = value.to(device)
        return MicroBatch(**moved)
