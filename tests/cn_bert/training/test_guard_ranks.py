"""Ranks skip together, and end together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from deepspeed.utils import groups
from injections import INJECTED
from small_runs import command, environment, losses

from cn_bert.launch import free_port
from cn_bert.training import checkpoint
from cn_bert.training.engine import end_ranks, lost_ranks_told, start_ranks
from cn_bert.training.log import read_log
from corpus_tools.errors import LostRankError, StoppedError

SKIPPED = (2, 4, 5)


@pytest.mark.slow  # test_self_test.py has two ranks agree on such a gradient
@pytest.mark.parametrize("stage", [0, 1, 2])
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
    going = begin(command(shards, out, "--nproc", "2", changes=changes), out)
    INJECTED["rank killed"] += 1
    os.kill(rank_of(out, killed), signal.SIGKILL)
    said = going.communicate(timeout=60)[1]
    assert going.returncode == 128 + signal.SIGKILL
    assert "the connection to another rank broke" in said
    assert_only_the_run_ended(out)


@pytest.mark.slow
@pytest.mark.parametrize("told", ["launcher", "0", "1"])
def test_a_stop_at_any_place_is_one_stop_with_a_checkpoint_of_the_last_step(
    shards: Path, tmp_path: Path, told: str
) -> None:
    out = tmp_path / "run"
    going = begin(command(shards, out, "--nproc", "2"), out)
    INJECTED["two ranks stopped"] += 1
    os.kill(going.pid if told == "launcher" else rank_of(out, told), signal.SIGTERM)
    said = going.communicate(timeout=60)[1]
    assert going.returncode == StoppedError.exit_code
    made = len(losses(out))
    assert f"stopped after step {made}" in said
    assert checkpoint.newest(out / "checkpoints") == (made, [])
    assert not processes_of(out)


@pytest.mark.slow
@pytest.mark.parametrize("hung", ["0", "1"])
@pytest.mark.parametrize("stage", [0, 2])
def test_a_hung_rank_is_named_and_no_checkpoint_is_lost(shards: Path, tmp_path: Path, hung: str, stage: int) -> None:
    """Wherever in the step it stands still: in our own exchanges or in DeepSpeed's."""
    config = tmp_path / "ds.json"
    config.write_text(json.dumps({"zero_optimization": {"stage": stage}}))
    out, changes = tmp_path / "run", ("checkpoint.every_steps=2", "guard.timeout_minutes=0.25")
    options = ("--nproc", "2", "--deepspeed_config", str(config))
    going = begin(command(shards, out, *options, changes=changes), out)
    INJECTED["rank hung"] += 1
    os.kill(rank_of(out, hung), signal.SIGSTOP)
    said = going.communicate(timeout=60)[1]
    assert going.returncode == LostRankError.exit_code
    assert "another rank gave no answer for 0.25 minutes" in said
    assert f"rank {hung} had not ended 5 s after another had failed, and was killed" in said
    assert_only_the_run_ended(out)


def begin(line: list[str], out: Path) -> subprocess.Popen[str]:
    """Start a run and return when it has made five steps."""
    going = subprocess.Popen(line, env=environment(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (out / "log.jsonl").exists() or len(losses(out)) < 5:
        assert going.poll() is None, "the run ended before a rank could be touched"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return going


def assert_only_the_run_ended(out: Path) -> None:
    """No process is left, and the newest checkpoint is sound."""
    assert not processes_of(out)
    made = len(losses(out))
    assert made < 20
    step, faults = checkpoint.newest(out / "checkpoints")
    assert not faults
    assert step >= made - 4  # every second step has one; at most one is in writing, and one cut


@pytest.mark.parametrize(("broken", "told"), [(False, "no answer for 7 minutes"), (True, "the connection to another")])
def test_what_gloo_says_of_a_lost_rank_is_told_in_our_words(broken: bool, told: str) -> None:
    """Two ranks in two threads, of which the second never comes to the sum."""
    store = dist.HashStore()

    def join(rank: int) -> dist.ProcessGroupGloo:
        group = dist.ProcessGroupGloo(store, rank, 2, timedelta(minutes=1))
        group.barrier().wait()
        group._set_default_timeout(timedelta(seconds=0.2))
        return group

    with ThreadPoolExecutor() as pool:
        groups = list(pool.map(join, range(2)))
    if broken:
        groups.pop()
    with pytest.raises(LostRankError, match=told) as caught, lost_ranks_told(7):
        groups[0].allreduce([torch.ones(1)]).wait()
    assert caught.value.exit_code == 69


def test_ours_and_deepspeeds_own_exchanges_wait_as_long_as_the_setting_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    end_ranks()
    start_ranks(timeout_minutes=7)
    for group in (dist.group.WORLD, groups._get_data_parallel_group()):
        assert group._get_backend(torch.device("cpu")).options._timeout == timedelta(minutes=7)
    end_ranks()


def test_an_error_of_another_kind_is_not_taken_for_a_lost_rank() -> None:
    with pytest.raises(RuntimeError, match="shapes") as caught, lost_ranks_told(7):
        raise RuntimeError("shapes do not fit: timed out")
    assert not isinstance(caught.value, LostRankError)


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
