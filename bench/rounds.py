"""What the benchmarks share: both sides in turn on one pinned core, medians, and the machine they ran on."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from corpus_tools.schema import Document
from corpus_tools.text.inputs import ReadSettings, find_inputs
from corpus_tools.text.read import Reject, read_split
from corpus_tools.text.splits import plan_splits


def pin(core: int = 0) -> None:
    """Keep this process and the threads it starts on one processor of those it may use."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[core % len(allowed)]})


def alternate(sides: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Run the sides in turn, each once in a round, after one unmeasured round. Returns the seconds of each round."""
    for side in sides.values():
        side()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, side in sides.items():
            since = time.perf_counter()
            side()
            seconds[name].append(time.perf_counter() - since)
        print(f"round {number + 1} of {rounds}", {n: round(s[-1], 3) for n, s in seconds.items()}, file=sys.stderr)
    return seconds


def compare(seconds: Mapping[str, list[float]], amounts: Mapping[str, float], unit: str) -> dict[str, Any]:
    """Return the speed of each side and how many times the first is faster than each other; medians over rounds.

    Args:
        seconds: what `alternate` returned, the side that is shown first in front.
        amounts: how much each side did in a round; a slow one may have been given less.
        unit: of what.
    """
    first, *others = seconds
    speeds = {name: [amounts[name] / s for s in all] for name, all in seconds.items()}
    ratios = {other: [o / t for o, t in zip(speeds[first], speeds[other], strict=True)] for other in others}
    return {
        f"{unit}/s": {name: _digits(statistics.median(all)) for name, all in speeds.items()},
        f"{unit}/s, least and most": {name: [_digits(min(all)), _digits(max(all))] for name, all in speeds.items()},
        "times": {other: _digits(statistics.median(all)) for other, all in ratios.items()},
    }


def _digits(value: float) -> float:
    return float(f"{value:.3g}")


def report(result: Mapping[str, Any], packages: list[str]) -> None:
    """Print the result as one JSON object, with the machine, the versions and the command."""
    print(json.dumps({**result, "on": machine(packages)}, ensure_ascii=False, indent=1))


def machine(packages: list[str]) -> dict[str, Any]:
    """Name the processor, the versions and the command."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return {
        "processor": model,
        "processors": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **found,
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def documents(inputs: list[str]) -> Iterator[Document]:
    """Yield the documents of input files."""
    for split in plan_splits(find_inputs(inputs)):
        for found in read_split(split, ReadSettings()):
            if not isinstance(found, Reject):
                yield found


def sample(inputs: list[str], n_bytes: int) -> list[str]:
    """Return whole documents of about `n_bytes` of UTF-8 in all, evenly from everywhere in the inputs."""
    texts = [document.text for document in documents(inputs)]
    sizes = [len(text.encode()) for text in texts]
    every = max(1, round(sum(sizes) / n_bytes))
    return texts[::every]


def peak_bytes() -> int:
    """Return the most memory that this process has held, in bytes."""
    line = next(line for line in _lines("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()
