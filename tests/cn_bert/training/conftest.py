"""Shards of the sample that ships with the package, and runs small enough to repeat many times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from cn_bert.config import Loaded, load_recipe
from cn_bert.training.run import Request, pretrain
from corpus_tools.build import build
from corpus_tools.build_settings import BuildSettings
from corpus_tools.encode.train import train_vocabulary

SAMPLE = Path(str(files("cn_bert") / "demo" / "sample"))
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


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard folder of the sample's first 60 documents, with a vocabulary of their own."""
    folder = tmp_path_factory.mktemp("data")
    lines = (SAMPLE / "documents.jsonl").read_text(encoding="utf-8").splitlines()[:60]
    (folder / "text.jsonl").write_text("\n".join(lines), encoding="utf-8")
    vocabulary = train_vocabulary([json.loads(line)["text"] for line in lines], 2500)
    vocabulary.save(folder / "vocab")
    build(
        BuildSettings(
            inputs=(str(folder / "text.jsonl"),), vocab=str(folder / "vocab"), out=str(folder / "shards"), workers=1
        )
    )
    return folder / "shards"


Runner = Callable[..., list[dict]]


@pytest.fixture
def run_here(shards: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Run a recipe in this process, on one rank of one thread, and return its log."""
    torch.set_num_threads(1)
    monkeypatch.delenv("RANK", raising=False)

    def run(
        out: Path, *changes: str, recipe: str = "bert_wwm", max_steps: int | None = None, config: Path | None = None
    ):
        loaded: Loaded = load_recipe(recipe, [*SMALL, *changes])
        pretrain(loaded, Request(out, (str(shards),), max_steps, str(config) if config else None))
        return losses(out)

    return run


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


def environment() -> dict[str, str]:
    """Return an environment without a launcher's variables, with one thread a process."""
    launcher = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    return {k: v for k, v in os.environ.items() if k not in launcher} | {"OMP_NUM_THREADS": "1"}


def run_command(line: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end."""
    return subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=300, check=False)


def losses(out: Path) -> list[dict]:
    """Read the reports of a run, those that a resume took back left out."""
    from cn_bert.training.log import read_log

    return [line for line in read_log(out / "log.jsonl") if "loss" in line]
