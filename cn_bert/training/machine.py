"""What a rank computes on, with which versions, and when it has done what it was given."""

from __future__ import annotations

import platform
import time
from importlib.metadata import version
from pathlib import Path

import torch


def versions() -> dict[str, str]:
    """Return the versions that decide what a run computes."""
    return {name: version(name) for name in ("cn-bert", "torch", "transformers", "deepspeed")}


def name_device(device: torch.device) -> str:
    """Name a GPU, or the processor and the threads that this process computes with."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {torch.get_num_threads()} thread(s) a rank"


def now(device: torch.device) -> float:
    """Return the seconds of a clock once the device has done what it was given: a GPU is waited for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.machine())
