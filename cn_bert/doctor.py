"""What this machine has and lacks for the work ahead, in one screen."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

PACKAGES: Final = (
    "torch",
    "transformers",
    "deepspeed",
    "tokenizers",
    "datasets",
    "jieba",
    "pyarrow",
    "numpy",
    "accelerate",
    "tensorboard",
)
GIB: Final = 1 << 30


@dataclass(frozen=True)
class Finding:
    """A line of the screen."""

    what: str
    found: str
    good: bool
    remedy: str = ""


def examine(folder: Path) -> list[Finding]:
    """Look at the machine. Nothing is written and no network is used.

    Args:
        folder: where runs will be written; its disk is looked at.
    """
    return [
        _python(),
        *_packages(),
        *_processors(),
        _memory(),
        _disk(folder),
        _compiler(),
    ]


def _python() -> Finding:
    good = sys.version_info >= (3, 11)
    return Finding("python", platform.python_version(), good, "" if good else "3.11 or newer is needed")


def _packages() -> list[Finding]:
    findings = []
    for name in PACKAGES:
        try:
            findings.append(Finding(name, version(name), True))
        except PackageNotFoundError:
            findings.append(Finding(name, "missing", False, "pip install 'cn-bert[train]'"))
    return findings


def _processors() -> list[Finding]:
    cores = len(os.sched_getaffinity(0))
    try:
        import torch

        from cn_bert.training.precision import has_bf16
    except ImportError:
        return [Finding("processor", f"{cores} cores", True)]
    fast = has_bf16(torch.device("cpu"))
    findings = [
        Finding(
            "processor",
            f"{cores} cores, {'bf16 instructions' if fast else 'no bf16 instructions'}",
            True,
            "" if fast else "precision auto means fp32 here",
        )
    ]
    if not torch.cuda.is_available():
        return [*findings, Finding("GPU", "none that torch can use", True, "training runs on the processor")]
    for number in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(number)
        bf16 = "bf16" if has_bf16(torch.device("cuda", number)) else "no bf16"
        findings.append(Finding(f"GPU {number}", f"{card.name}, {card.total_memory / GIB:.0f} GiB, {bf16}", True))
    return findings


def _memory() -> Finding:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    good = total >= 4
    return Finding(
        "memory", f"{total:.0f} GiB, {free:.0f} free", good, "" if good else "4 GiB is little; use model tiny"
    )


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / GIB
    good = free >= 5
    return Finding("disk", f"{free:.0f} GiB free at {folder.resolve()}", good, "" if good else "a base run needs 5 GiB")


def _compiler() -> Finding:
    if shutil.which("g++") and shutil.which("ninja"):
        return Finding("C++ compiler", "g++ and ninja", True, "not needed, but for --set compile=true")
    return Finding("C++ compiler", "none", True, "not needed, but for --set compile=true")


def screen(findings: list[Finding]) -> str:
    """Lay the findings out for a terminal."""
    width = max(len(finding.what) for finding in findings)
    lines = []
    for finding in findings:
        note = f"  ({finding.remedy})" if finding.remedy else ""
        lines.append(f"{'ok' if finding.good else '!!'}  {finding.what:<{width}}  {finding.found}{note}")
    lacking = sum(not finding.good for finding in findings)
    verdict = "Everything needed is here. Next: cn-bert demo" if not lacking else f"{lacking} to mend, see !! above"
    return "\n".join([*lines, "", verdict])
