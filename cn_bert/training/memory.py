"""Memory of this process: what it holds, the most it has held, and what it can still have.

On a GPU that is the GPU's, by torch's own account. On the CPU it is the machine's, read from Linux.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_KIB = 1024


def held(device: torch.device) -> int:
    """Return the bytes that are held now."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else _kib(_STATUS, "VmRSS")


def forget_most(device: torch.device) -> None:
    """Begin anew with `most_held`. Where Linux does not let us, it goes on from the process's start."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def most_held(device: torch.device) -> int:
    """Return the most bytes that were held at once since `forget_most`."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _kib(_STATUS, "VmHWM")


def to_be_had(device: torch.device) -> int:
    """Return the bytes that can still be taken: on a GPU, or on this machine before the kernel kills somebody."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(_kib(Path("/proc/meminfo"), "MemAvailable"), _left_of_group(Path("/sys/fs/cgroup")))


def _left_of_group(group: Path) -> int:
    """Return what a container may still take; files it has read do not count, they can be dropped."""
    try:
        most = int((group / "memory.max").read_text(encoding="ascii"))
        return max(0, most - _number(group / "memory.stat", r"^anon (\d+)$"))
    except (OSError, ValueError):  # no such file, or "max"
        return 1 << 62


def _kib(path: Path, name: str) -> int:
    return _KIB * _number(path, rf"^{name}:\s*(\d+) kB$")


def _number(path: Path, pattern: str) -> int:
    found = re.search(pattern, path.read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{path} has no line like {pattern}")
    return int(found[1])
