"""What matrix products are computed in on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch

from corpus_tools.errors import SettingsError

DTYPES: Final[Mapping[str, torch.dtype]] = {"fp32": torch.float32, "bf16": torch.bfloat16}


def resolve_precision(name: str, device: torch.device) -> str:
    """Turn `auto` into what this machine computes fast: bf16 where it has the instructions, else fp32.

    Raises:
        SettingsError: fp16, or bf16 on a device that cannot.
    """
    if name == "fp16":
        raise SettingsError("precision fp16 needs loss scaling, which is not built yet. Use bf16, fp32 or auto")
    able = has_bf16(device)
    if name == "bf16" and not able and device.type == "cuda":
        raise SettingsError("precision bf16: this GPU has none. Use --set precision=fp32")
    return name if name != "auto" else ("bf16" if able else "fp32")


def has_bf16(device: torch.device) -> bool:
    """Say whether bf16 products are computed by instructions of their own and not emulated."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
