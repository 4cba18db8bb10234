"""Shards of the sample that ships with the package, and a runner of small runs over them."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from small_runs import SMALL, losses

from cn_bert.config import Loaded, load_recipe
from cn_bert.training.run import Request, pretrain
from corpus_tools.build import build
from corpus_tools.build_settings import BuildSettings
from corpus_tools.encode.train import train_vocabulary

SAMPLE = Path(str(files("cn_bert") / "demo" / "sample"))


def build_sample(folder: Path, documents: int) -> Path:
    """Build the sample's first documents with a vocabulary of their own."""
    lines = (SAMPLE / "documents.jsonl").read_text(encoding="utf-8").splitlines()[:documents]
    (folder / "text.jsonl").write_text("\n".join(lines), encoding="utf-8")
    vocabulary = train_vocabulary([json.loads(line)["text"] for line in lines], 2500)
    vocabulary.save(folder / "vocab")
    inputs = (str(folder / "text.jsonl"),)
    build(BuildSettings(inputs=inputs, vocab=str(folder / "vocab"), out=str(folder / "shards"), workers=1))
    return folder / "shards"


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard folder of 60 documents."""
    return build_sample(tmp_path_factory.mktemp("data"), 60)


@pytest.fixture(scope="session")
def few_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard folder of 10 documents."""
    return build_sample(tmp_path_factory.mktemp("few"), 10)


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
