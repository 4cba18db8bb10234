"""A run that is killed again and again moves on each time, and ends with the losses of one that nobody touched."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from injections import INJECTED
from small_runs import command, environment, losses, run_command

from cn_bert.training import checkpoint

LIVES = 20
CHANGES = ("stages.0.steps=2000", "checkpoint.every_steps=3", "evaluate.every_steps=2000")


@pytest.mark.slow
def test_twenty_kills_cost_no_checkpoint_and_change_no_loss(shards: Path, tmp_path: Path) -> None:
    """Half of them at any moment, half while a checkpoint is being written."""
    out, draw, reached = tmp_path / "run", random.Random(7), 0
    for life in range(LIVES):
        going = subprocess.Popen(command(shards, out, changes=CHANGES), env=environment(), stderr=subprocess.DEVNULL)
        wait_until(lambda before=reached: newest(out) > before, going)
        if life % 2:
            wait_until(lambda: bool(written_now(out)), going)
        else:
            time.sleep(draw.uniform(0, 0.5))
        seen = newest(out)
        going.kill()
        going.wait()
        INJECTED["run killed" + (" while a checkpoint was written" if written_now(out) else "")] += 1
        step, faults = checkpoint.newest(out / "checkpoints")
        assert not faults
        assert step is not None
        assert step >= seen > reached, f"life {life}"
        reached = step
    last = ("--max-steps", str(losses(out)[-1]["step"] + 5))
    for folder in (out, tmp_path / "calm"):
        done = run_command(command(shards, folder, *last, changes=CHANGES))
        assert done.returncode == 0, done.stderr
    assert losses_of(out) == losses_of(tmp_path / "calm")


def wait_until(true: Callable[[], bool], going: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert going.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)


def newest(out: Path) -> int:
    """Return the step of the newest checkpoint that has its name; 0 where there is none."""
    return max(checkpoint.steps(out / "checkpoints"), default=0)


def written_now(out: Path) -> list[Path]:
    return list((out / "checkpoints").glob("*.tmp-*"))


def losses_of(out: Path) -> list[tuple[int, float, int]]:
    return [(line["step"], line["loss"], line["tokens"]) for line in losses(out)]
