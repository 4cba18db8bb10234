"""Jobs for worker processes, and segmenters that misbehave: they must be importable there."""

from __future__ import annotations

import os
import time
from pathlib import Path

from corpus_tools.errors import DataError, StoppedError
from corpus_tools.pool import as_worker

_folder: Path | None = None


def start(folder: Path) -> None:
    global _folder
    as_worker()
    _folder = folder


def work(job: str) -> tuple[str, int]:
    """Do what the job's name says: `ok`, `dies once`, `dies`, `fails`, `waits`; return the name and the try."""
    assert _folder is not None
    tries = _folder / job.replace(" ", "_")
    with tries.open("a") as file:
        file.write("x")
    n_tries = tries.stat().st_size
    if job.startswith("dies") and (n_tries == 1 or not job.startswith("dies once")):
        os._exit(9)
    if job.startswith("fails"):
        raise DataError(f"{job}: as asked")
    while job.startswith("waits"):
        if (_folder / "halted").exists():
            raise StoppedError("halted")
        time.sleep(0.02)
    return job, n_tries


def dies_at_a_word(text: str) -> list[str]:
    """Segment by characters; end the process where the text says so."""
    if "杀" in text and not (marker := Path(os.environ["DEATHS"])).exists():
        marker.touch()
        os._exit(9)
    return list(text)


def always_dies_at_a_word(text: str) -> list[str]:
    """Segment by characters; end the process wherever the text says so."""
    if "杀" in text:
        os._exit(9)
    return list(text)


def fails(text: str) -> list[str]:
    """Fail as a user's function may, with an error that has nothing to do with our disk."""
    raise FileNotFoundError("the users own")


def slowly(text: str) -> list[str]:
    """Segment by characters, in no hurry."""
    time.sleep(0.1)
    return list(text)
