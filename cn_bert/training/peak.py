"""How fast a device multiplies matrices at best: by its vendor's data sheet, or as measured here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch

from cn_bert.training.machine import now
from cn_bert.training.precision import DTYPES

PEAKS: Final[Mapping[str, Mapping[str, float]]] = {
    r"A10": {"bf16": 125.0, "fp32": 31.2},
    r"A30": {"bf16": 165.0, "fp32": 10.3},
    r"A100-(SXM4|PCIE)-(40|80)GB|A100 80GB PCIe|A800-SXM4-80GB|A800 80GB PCIe": {"bf16": 312.0, "fp32": 19.5},
    r"GH200 480GB|H100 80GB HBM3|H200|H800": {"bf16": 989.4, "fp32": 66.9},
    r"H100 NVL|H200 NVL": {"bf16": 835.5, "fp32": 60.0},
    r"H100 PCIe": {"bf16": 756.0, "fp32": 51.2},
    r"H20": {"bf16": 148.0, "fp32": 44.0},
    r"L4": {"bf16": 121.0, "fp32": 30.3},
    r"L40S": {"bf16": 362.1, "fp32": 91.6},
    r"RTX 3090": {"bf16": 71.0, "fp32": 35.6},
    r"RTX 4090": {"bf16": 165.2, "fp32": 82.6},
    r"RTX 5090": {"bf16": 209.5, "fp32": 104.8},
    r"RTX A6000": {"bf16": 154.8, "fp32": 38.7},
    r"T4": {"fp32": 8.1},
    r"V100-PCIE-(16|32)GB": {"fp32": 14.0},
    r"V100-SXM2-(16|32)GB": {"fp32": 15.7},
}
"""TFLOP/s of dense products: bf16 with fp32 sums on tensor cores; fp32 beside them, where torch computes it.

Sources: NVIDIA's data sheets of each card; for the GeForce cards the appendices of the GA102, Ada and RTX Blackwell
architecture white papers. Sheets that state figures with sparsity are halved. Names are those of the driver without its
brand; a part of a card (MIG) or a card of another build is not known and is measured."""

_BRANDS: Final = r"(NVIDIA |Tesla |GeForce )*"

SECONDS: Final = 0.05
"""How long products of a size are repeated; the fastest counts, as others may be computing beside us."""
_SMALLEST, _LARGEST = 256, 8192
_LONG_ENOUGH: Final = 0.01
"""Seconds of one product from which on what surrounds it no longer shows."""


@dataclass(frozen=True)
class Peak:
    """The best rate of matrix products on one device."""

    flops: float
    """Floating-point operations a second."""
    measured: bool
    """Whether it was measured here; else it is the data sheet's."""

    def __str__(self) -> str:
        return f"{flops_a_second(self.flops)} ({'measured' if self.measured else 'data sheet'})"


def flops_a_second(rate: float) -> str:
    """Write a rate of floating-point operations for a reader."""
    return f"{rate / 1e12:,.4g} TFLOP/s" if rate >= 1e12 else f"{rate / 1e9:,.4g} GFLOP/s"


def find_peak(device: torch.device, precision: str) -> Peak:
    """Look a device up, or measure it where no data sheet is known: under half a second.

    Args:
        device: of this rank.
        precision: "fp32" or "bf16".
    """
    known = _data_sheet(torch.cuda.get_device_name(device), precision) if device.type == "cuda" else None
    return Peak(1e12 * known, False) if known else Peak(_measure(device, DTYPES[precision]), True)


def _data_sheet(name: str, precision: str) -> float | None:
    for pattern, peaks in PEAKS.items():
        if re.fullmatch(f"{_BRANDS}({pattern})", name):
            return peaks.get(precision)
    return None


def _measure(device: torch.device, dtype: torch.dtype) -> float:
    """Multiply square matrices of growing size until they keep the device busy, and return the best rate of all.

    Where others compute beside us a short product gets through undisturbed more often than a long one.
    """
    size, best, seconds = _SMALLEST, 0.0, 0.0
    while size <= _LARGEST and seconds < _LONG_ENOUGH:
        seconds = _fastest(size, device, dtype)
        best = max(best, 2 * size**3 / seconds)
        size *= 2
    return best


def _fastest(size: int, device: torch.device, dtype: torch.dtype) -> float:
    """Return the seconds of the fastest product of matrices of one size."""
    one = torch.rand(size, size, device=device).to(dtype)
    out = torch.mm(one, one)  # whoever is first loads the library
    seconds: list[float] = []
    while sum(seconds) < SECONDS or not seconds:
        since = now(device)
        torch.mm(one, one, out=out)
        seconds.append(now(device) - since)
    return min(seconds)
