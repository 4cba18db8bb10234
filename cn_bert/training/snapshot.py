"""What a checkpoint holds: safetensors by parameter name and JSON, the same for any number of ranks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from cn_bert.training.checkpoint import MOMENTS, STATE, WEIGHTS, at, commit
from cn_bert.training.states import States
from corpus_tools.errors import UnverifiedError

PROBE: Final = "probe.safetensors"


@dataclass(frozen=True)
class Snapshot:
    """A run between two steps."""

    step: int
    """Optimizer steps done."""
    states: States
    state: Mapping[str, Any]
    """What else the run counts: tokens, versions, the data's fingerprint, what its weights are known by."""
    probe: Mapping[str, Tensor]
    """The rows whose loss its weights are known by; empty in a checkpoint that has none."""


def write(folder: Path, snapshot: Snapshot) -> Path:
    """Write a snapshot as the checkpoint of its step.

    Args:
        folder: RUN/checkpoints.

    Raises:
        DiskError: see `commit`.
    """
    state = json.dumps({"step": snapshot.step, **snapshot.state}, ensure_ascii=False, indent=1).encode()
    files = {
        WEIGHTS: lambda: save(dict(snapshot.states.weights)),
        MOMENTS: lambda: save(dict(snapshot.states.moments)),
        PROBE: lambda: save(dict(snapshot.probe)),
        STATE: lambda: state,
    }
    return commit(folder, snapshot.step, files)


def load(folder: Path, step: int) -> Snapshot:
    """Read the checkpoint of a step, which `newest` or `wanted` has verified.

    Raises:
        UnverifiedError: it cannot be read any more.
    """
    path = at(folder, step)
    try:
        states = States(load_file(path / WEIGHTS), load_file(path / MOMENTS))
        probe = load_file(path / PROBE) if (path / PROBE).is_file() else {}
        return Snapshot(step, states, json.loads((path / STATE).read_text(encoding="utf-8")), probe)
    except (OSError, ValueError, SafetensorError) as error:
        raise UnverifiedError(f"{path}: was sound a moment ago and cannot be read now: {error}") from error
