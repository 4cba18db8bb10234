"""Jobs for worker processes, and segmenters that misbehave: they must be importable there."""

from __future__ import annotations

import os
import time
from pathlib import Path

from corpus_tools.errors import DataError, StoppedError

_folder: Path | None = None


def start(folder: Path) -> None:
    global _folder
    folder.stat()
    _folder = folder


def work(job: str) -> tuple[str, int]:
    """Do what the job's name says; return the name and the try."""
    assert _folder is not None
    tries = _folder / job.replace(" ", "_")
    with tries.open("a") as file:
        file.write("x")
    n_tries = tries.stat().st_size
    if job.startswith("dies") and (n_tries == 1 or not job.startswith("dies once")):
        os._exit(9)
    if job == "needs memory once" and n_tries == 1:
        raise MemoryError
    if job == "names its process":
        return str(os.getpid()), n_tries
    if job == "raises what cannot be sent":
        raise Unsendable
    if job == "has a bug":
        {}["bug"]
    if job.startswith("fails"):
        raise DataError(f"{job}: as asked")
    while job.startswith("waits") and not (job == "waits for dies once" and (_folder / "dies_once").exists()):
        if (_folder / "halted").exists():
            raise StoppedError("halted")
        time.sleep(0.02)
    return job, n_tries


class Unsendable(Exception):
    """Cannot be pickled."""

    def __reduce__(self):
        raise TypeError("no pickle")

    def __str__(self) -> str:
        return "no pickle"


def dies_at_a_word(text: str) -> list[str]:
    """Segment by characters; end the process where the text says so."""
    if "杀" in text and not (marker := Path("died")).exists():
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


def divides_by_zero(text: str) -> list[str]:
    """Fail as a function with a bug does."""
    raise ZeroDivisionError


def slowly(text: str) -> list[str]:
    """Segment by characters, in no hurry."""
    time.sleep(0.1)
    return list(text)


def in_two_ways(text: str) -> list[str]:
    """Segment by characters, but for the first two of a text that ends in 甲 or 乙."""
    return [text[:2], *text[2:]] if text[-1] in "甲乙" else list(text)
