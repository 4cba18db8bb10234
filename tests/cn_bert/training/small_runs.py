"""Runs small enough to repeat many times: their settings, their command lines and their logs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cn_bert.training.log import read_log

SHAPE = [
    "model.num_hidden_layers=2",
    "model.hidden_size=32",
    "model.num_attention_heads=4",
    "model.intermediate_size=64",
]
EXACT = ["precision=fp32", "dropout=0.0", "log.every_steps=1", "log.tensorboard=false", "optimizer.name=adamw"]
STEPS = ["stages.0.steps=14", "stages.0.batch_rows=7", "stages.0.row_tokens=64"]
STEPS += ["stages.1.steps=6", "stages.1.batch_rows=3", "stages.1.row_tokens=128"]
SMALL = [*SHAPE, *EXACT, *STEPS, "held_out=0.05", "evaluate.every_steps=10"]


def command(
    shards: Path, out: Path, *options: str, changes: tuple[str, ...] = (), recipe: str = "bert_wwm"
) -> list[str]:
    """Return the command line of a small run."""
    sets = [word for change in (*SMALL, *changes) for word in ("--set", change)]
    return [
        sys.executable,
        "-m",
        "cn_bert",
        "pretrain",
        recipe,
        "--data",
        str(shards),
        "--out",
        str(out),
        *sets,
        *options,
    ]


def plain_command(shards: Path, out: Path, changes: Mapping[str, str]) -> list[str]:
    """Return the command line of a run of bert_wwm with these changes alone."""
    sets = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "cn_bert", "pretrain", "bert_wwm", "--data", str(shards), "--out", str(out), *sets]


def environment() -> dict[str, str]:
    """Return an environment without a launcher's variables, with one thread a process."""
    launcher = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    return {k: v for k, v in os.environ.items() if k not in launcher} | {"OMP_NUM_THREADS": "1"}


def run_command(line: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end."""
    return subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=300, check=False)


def losses(out: Path) -> list[dict]:
    """Read the reports of a run, those that a resume took back left out."""
    return [line for line in read_log(out / "log.jsonl") if "loss" in line]
