"""Checkpoints: safetensors by parameter name and JSON, whole or absent, the same for any number of ranks.

`checkpoints/step-N/` holds `weights.safetensors`, `moments.safetensors`, `state.json` and, written last,
`manifest.json` with the size and SHA-256 of each. The folder gets its name only when all of it is on the disk.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from cn_bert.training.states import States
from corpus_tools.errors import DiskError, UnverifiedError
from corpus_tools.storage import replace_whole, sha256_file, sync, write_json

MANIFEST: Final = "manifest.json"
WEIGHTS: Final = "weights.safetensors"
MOMENTS: Final = "moments.safetensors"
STATE: Final = "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint as it was read."""

    step: int
    states: States
    state: Mapping[str, Any]
    """What else the run counts: updates, tokens, versions, the data's fingerprint."""


def save(folder: Path, step: int, states: States, state: Mapping[str, Any], keep: int) -> Path:
    """Write a checkpoint and remove all but the newest `keep`. Called by the first rank alone.

    Args:
        folder: RUN/checkpoints.
        step: optimizer steps done.

    Returns:
        The new checkpoint's folder.

    Raises:
        DiskError: the disk is full or refuses; checkpoints that were there are untouched.
    """
    target = folder / f"step-{step}"
    temporary = folder / f"{target.name}.tmp-{os.getpid()}"
    for left in folder.glob("step-*.tmp-*"):  # of a writer that was killed; a run has one writer at a time
        shutil.rmtree(left, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        save_file(dict(states.weights), temporary / WEIGHTS)
        save_file(dict(states.moments), temporary / MOMENTS)
        write_json(temporary / STATE, {"step": step, **state})
        for name in (WEIGHTS, MOMENTS):
            sync(temporary / name)
        write_json(temporary / MANIFEST, {"files": {name: _describe(temporary / name) for name in _files(temporary)}})
        shutil.rmtree(target, ignore_errors=True)
        replace_whole(temporary, target)
    except (OSError, SafetensorError) as error:
        raise DiskError(f"{target}: the checkpoint cannot be written: {error}. Older ones are untouched") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    # Newer ones are those that did not verify, or the run would have gone on from them: they are none of the `keep`.
    for old in [other for other in steps(folder) if other <= step][:-keep]:
        shutil.rmtree(folder / f"step-{old}", ignore_errors=True)
    return target


def steps(folder: Path) -> list[int]:
    """List the steps that have a checkpoint, ascending."""
    if not folder.is_dir():
        return []
    found = (re.fullmatch(r"step-(\d+)", entry.name) for entry in folder.iterdir())
    return sorted(int(match[1]) for match in found if match)


def newest(folder: Path) -> tuple[int | None, list[str]]:
    """Find the newest checkpoint whose files match its manifest.

    Returns:
        Its step, or None where there is no checkpoint at all; and why newer ones were passed over.

    Raises:
        UnverifiedError: there are checkpoints and none of them verifies.
    """
    faults: list[str] = []
    for step in reversed(steps(folder)):
        found = verify(folder / f"step-{step}")
        if not found:
            return step, faults
        faults += found
    if faults:
        raise UnverifiedError(
            "no checkpoint matches its manifest, so there is nothing to go on from:\n" + "\n".join(faults)
        )
    return None, []


def verify(folder: Path) -> list[str]:
    """Compare a checkpoint with its manifest and say what differs; an empty list means it is whole."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        expected = {name: (files[name]["bytes"], files[name]["sha256"]) for name in (WEIGHTS, MOMENTS, STATE)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{folder / MANIFEST}: cannot be read: {error}"]
    faults = []
    for name, (size, sha256) in expected.items():
        path = folder / name
        if not path.is_file():
            faults.append(f"{path}: is missing")
        elif path.stat().st_size != size:
            faults.append(f"{path}: {path.stat().st_size} bytes, the manifest says {size}")
        elif sha256_file(path) != sha256:
            faults.append(f"{path}: its SHA-256 is not the manifest's")
    return faults


def load(folder: Path, step: int) -> Checkpoint:
    """Read the checkpoint of a step, which `newest` has verified."""
    at = folder / f"step-{step}"
    states = States(load_file(at / WEIGHTS), load_file(at / MOMENTS))
    return Checkpoint(step, states, json.loads((at / STATE).read_text(encoding="utf-8")))


def _files(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def _describe(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
