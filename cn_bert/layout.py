"""Where the sequences of a packed row begin and end, and how a device without a kernel for that groups them.

Made beside the batch, in the thread that prepares it, so that nothing is worked out in the step and nobody waits for a
GPU to tell. Letters: T tokens of all sequences, S sequences, H heads, D size of a head, N sequences and L positions of
a group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import torch
from torch import Tensor

from corpus_tools.schema import Offsets

SLOT_TOKENS: Final = 128
"""A fixed layout has room for a sequence in so many tokens at least: few micro-batches of real text have more, and
an empty sequence costs the kernel little."""

SCORES: Final = 1 << 20
"""Scores of one head that a group of several sequences has at most: in bf16 they fill a cache of 2 MiB."""


@dataclass(frozen=True)
class Layout:
    """Where the sequences of a packed row begin and end."""

    bounds: Offsets
    """Where each begins, and T; on the host, so that nobody waits for a GPU to know. [S + 1]"""
    cu_seqlens: Tensor
    """The same on the device of the row, int32; in a fixed layout T stands several times at the end. [S + 1 or more]"""
    longest: int
    """Tokens of the longest sequence; in a fixed layout the most that one may have."""

    @classmethod
    def of(cls, bounds: Offsets) -> Layout:
        """Lay a row out whose sequences begin at `bounds`, which ends with T. [S + 1]"""
        return cls(bounds, torch.from_numpy(bounds).to(torch.int32), int(np.diff(bounds).max()))

    @classmethod
    def fixed(cls, bounds: Offsets, longest: int) -> Layout:
        """Lay a row out in one of a few forms, since compiled layers are compiled for each form they meet.

        `cu_seqlens` has room for T / 128 sequences, or for twice as many as often as that is too few; a sequence that
        is not there is an empty one at the row's end.

        Args:
            bounds: where each sequence begins, and T. [S + 1]
            longest: the most tokens that any sequence may have.
        """
        n_slots = max(1, int(bounds[-1]) // SLOT_TOKENS)
        while n_slots < bounds.size - 1:
            n_slots *= 2
        filled = np.full(n_slots + 1, bounds[-1], np.int32)
        filled[: bounds.size] = bounds
        return cls(bounds, torch.from_numpy(filled), longest)

    def to(self, device: torch.device) -> Layout:
        """Return the same layout for a row on another device."""
        if self.cu_seqlens.device == device:
            return self
        return replace(self, cu_seqlens=self.cu_seqlens.to(device, non_blocking=True))

    def pinned(self) -> Layout:
        """Return the same layout in memory that a GPU copies from by itself."""
        return replace(self, cu_seqlens=self.cu_seqlens.pin_memory())

    @cached_property
    def groups(self) -> Groups:
        """The sequences grouped by length, for devices without a kernel for packed rows."""
        return Groups.of(self.bounds, self.cu_seqlens.device)


@dataclass(frozen=True)
class Group:
    """Sequences computed together, each filled up to the longest of them by repeating its first token."""

    n: int
    length: int
    real: Tensor | None
    """Which positions are a sequence's own, None where all are. [N, L]"""


@dataclass(frozen=True)
class Groups:
    """How the tokens of a packed row are laid out for the products, and back."""

    groups: tuple[Group, ...]
    there: Tensor | None
    """Token at each position of the groups, laid end to end; None where that is the row itself. [sum of N x L]"""
    real: Tensor | None
    """Which positions are a sequence's own, None where all are. [sum of N x L, 1, 1]"""
    back: Tensor | None
    """Position of each token; None where that is the row itself. [T]"""

    @classmethod
    def of(cls, bounds: Offsets, device: torch.device) -> Groups:
        """Group sequences by length.

        Args:
            bounds: where each sequence begins, and the row's end. [S + 1]
            device: where the products are computed.
        """
        starts, lengths = torch.from_numpy(bounds[:-1].copy()), torch.from_numpy(bounds[1:] - bounds[:-1])
        bucket = bucket_of(int(lengths.max()))
        width = (lengths + bucket - 1).div(bucket, rounding_mode="floor") * bucket
        groups, there, real = [], [], []
        for members in _of_one_width(width):
            steps = torch.arange(int(lengths[members].max()))
            own = steps[None] < lengths[members, None]
            there.append((starts[members, None] + torch.where(own, steps, 0)).flatten())
            real.append(own.flatten())
            groups.append(Group(own.shape[0], own.shape[1], None if bool(own.all()) else own.to(device)))
        all_there, all_real = torch.cat(there), torch.cat(real)
        n_tokens = int(bounds[-1])
        if torch.equal(all_there, torch.arange(n_tokens)):
            return cls(tuple(groups), None, None, None)
        back = torch.empty(n_tokens, dtype=torch.long)
        back[all_there[all_real]] = all_real.nonzero().squeeze(1)
        mask = None if bool(all_real.all()) else all_real[:, None, None].to(device)
        return cls(tuple(groups), all_there.to(device), mask, back.to(device))

    def lay_out(self, tokens: Tensor) -> Tensor:
        """Bring tokens to their positions. [T, H, D] -> [sum of N x L, H, D]"""
        return tokens if self.there is None else tokens.index_select(0, self.there)

    def bring_back(self, positions: Tensor) -> Tensor:
        """Bring positions back to their tokens. [sum of N x L, H, D] -> [T, H, D]"""
        return positions if self.back is None else positions.index_select(0, self.back)

    def split(self, positions: Tensor) -> Iterator[Tensor]:
        """Yield the part of each group. [N, L, H, D]"""
        at = 0
        for group in self.groups:
            size = group.n * group.length
            yield positions[at : at + size].view(group.n, group.length, *positions.shape[1:])
            at += size


def _of_one_width(width: Tensor) -> Iterator[Tensor]:
    """Yield the numbers of sequences that are computed together: of one width, and as many as a cache has room for."""
    for size in sorted(set(width.tolist())):
        yield from (width == size).nonzero().squeeze(1).split(max(1, SCORES // size**2))


def bucket_of(longest: int) -> int:
    """Return the multiple that lengths are rounded up to, a coarser one in longer rows, whose groups would be small."""
    return 32 if longest <= 128 else 64
