"""The launchers of clusters start the same command: torchrun, and DeepSpeed's with --local_rank before the verb."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from small_runs import command, losses, run_command

from cn_bert.launch import free_port

FEW = ("stages.0.steps=3", "stages.1.steps=1", "evaluate.max_rows=4")


@pytest.fixture(scope="module")
def alone(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    out = tmp_path_factory.mktemp("alone") / "run"
    done = run_command(command(shards, out, changes=FEW))
    assert done.returncode == 0, done.stderr
    return losses(out)


def arguments(shards: Path, out: Path) -> list[str]:
    """Return the words after `-m cn_bert`."""
    return command(shards, out, changes=FEW)[3:]


def assert_same(out: Path, alone: list[dict]) -> None:
    assert [line["step"] for line in losses(out)] == [1, 2, 3, 4]
    for ours, theirs in zip(losses(out), alone, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert ours["tokens"] == theirs["tokens"]


@pytest.mark.slow
def test_torchrun_has_the_losses_of_one_rank(
    shards: Path, tmp_path: Path, alone: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(free_port()),
    ]
    done = run_command([*launcher, "-m", "cn_bert", *arguments(shards, tmp_path / "run")])
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "run", alone)


@pytest.mark.slow
def test_deepspeed_has_the_losses_of_one_rank(
    shards: Path, tmp_path: Path, alone: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the processor also where there is a GPU, which two ranks could not share."""
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    launcher = ["deepspeed", "--num_gpus", "2", "--master_port", str(free_port()), "--module", "cn_bert"]
    done = run_command([*launcher, *arguments(shards, tmp_path / "run")])
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "run", alone)
