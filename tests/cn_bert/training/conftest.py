"""Shards of the sample that ships with the package, and a runner of small runs over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from injections import INJECTED
from small_runs import SMALL, losses

from cn_bert.config import Loaded, load_recipe
from cn_bert.training import peak
from cn_bert.training.engine import end_ranks
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


@pytest.fixture(scope="session", autouse=True)
def quick_peak() -> Iterator[None]:
    """Measure the machine's peak by one product, for the many runs that are started here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peak, "SECONDS", 0.0)
        yield


@pytest.fixture(scope="module", autouse=True)
def ranks_end() -> Iterator[None]:
    """Leave neither a process group nor a rank's place in the environment to the tests of another file."""
    yield
    end_ranks()


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
        out: Path,
        *changes: str,
        recipe: str = "bert_wwm",
        max_steps: int | None = None,
        config: Path | None = None,
        from_step: int | None = None,
    ):
        loaded: Loaded = load_recipe(recipe, [*SMALL, *changes])
        pretrain(loaded, Request(out, (str(shards),), max_steps, str(config) if config else None, from_step))
        return losses(out)

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults were injected; a lost checkpoint would have failed its test."""
    for kind, number in sorted(INJECTED.items()):
        terminalreporter.write_line(f"injected: {number:>5}  {kind}")
