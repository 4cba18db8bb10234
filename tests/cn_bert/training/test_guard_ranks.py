"""Ranks skip together, and end together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from injections import INJECTED
from small_runs import command, environment, losses

from cn_bert.launch import free_port
from cn_bert.training import checkpoint
from cn_bert.training.log import read_log

SKIPPED = (2, 4, 5)


@pytest.mark.parametrize("stage", [pytest.param(0, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.slow), 2])
def test_what_is_no_number_on_one_rank_is_skipped_by_all(shards: Path, tmp_path: Path, stage: int) -> None:
    config = tmp_path / "ds.json"
    config.write_text(json.dumps({"zero_optimization": {"stage": stage}}))
    line = command(shards, tmp_path / "run", "--max-steps", "7", "--deepspeed_config", str(config))
    script = str(Path(__file__).with_name("poisoned_pretrain.py"))
    words = [line[0], script, ",".join(map(str, SKIPPED)), *line[3:]]  # instead of `python -m cn_bert`
    INJECTED["step poisoned: gradient infinite on one rank of two"] += len(SKIPPED)
    port, going = str(free_port()), []
    for rank in ("0", "1"):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        going.append(subprocess.Popen(words, env=environment() | place, stderr=subprocess.PIPE, text=True))
    for process in going:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    log = read_log(tmp_path / "run" / "log.jsonl")
    assert [entry["step"] for entry in log if entry.get("skipped") == "gradient"] == list(SKIPPED)
    assert [entry["step"] for entry in losses(tmp_path / "run")] == [1, 3, 6, 7]


@pytest.mark.parametrize("killed", ["1", pytest.param("0", marks=pytest.mark.slow)])
def test_a_killed_rank_ends_the_others_and_no_checkpoint_is_lost(shards: Path, tmp_path: Path, killed: str) -> None:
    out, changes = tmp_path / "run", ("checkpoint.every_steps=2",)
    line = command(shards, out, "--nproc", "2", changes=changes)
    going = subprocess.Popen(line, env=environment(), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (out / "log.jsonl").exists() or len(losses(out)) < 5:
        assert going.poll() is None, "the run ended before a rank could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    INJECTED["rank killed"] += 1
    os.kill(rank_of(out, killed), signal.SIGKILL)
    assert going.wait(30) == 128 + signal.SIGKILL
    assert not processes_of(out)
    made = len(losses(out))
    assert made < 20
    step, faults = checkpoint.newest(out / "checkpoints")
    assert not faults
    assert step >= made - 4  # every second step has one; at most one is in writing, and one cut


def rank_of(out: Path, rank: str) -> int:
    """Return the process of a run that has this rank."""
    (found,) = (one for one in processes_of(out) if f"RANK={rank}".encode() in read_words(one, "environ"))
    return found


def processes_of(out: Path) -> list[int]:
    """List the processes whose command line names a run, this one left out."""
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [one for one in numbers if one != os.getpid() and str(out).encode() in read_words(one, "cmdline")]


def read_words(process: int, name: str) -> list[bytes]:
    """Read what the kernel tells of a process; nothing of one that has ended or is another's."""
    try:
        return (Path("/proc") / str(process) / name).read_bytes().split(b"\0")
    except OSError:
        return []
