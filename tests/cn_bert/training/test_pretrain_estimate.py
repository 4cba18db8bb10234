"""What an estimate says: the run's own numbers, times that follow from timed steps, and rows that fit."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from small_runs import EXACT, SHAPE

from cn_bert.cli import main
from cn_bert.config import load_recipe
from cn_bert.data.mixture import open_mixture
from cn_bert.data.plan import make_plan
from cn_bert.data.sequences import build_sequences
from cn_bert.training import estimate as estimates
from cn_bert.training import memory, trial
from cn_bert.training.estimate import Estimate, Memory, StageEstimate
from cn_bert.training.trial import halve

STAGES = "stages=[{steps: 5, row_tokens: 64, batch_rows: 6}, {steps: 2, row_tokens: 128, batch_rows: 3}]"
CHANGES = [*SHAPE, *EXACT, STAGES, "held_out=0.05", "micro_rows=2"]
CPU = torch.device("cpu")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder to work in, with temporary folders below it."""
    torch.set_num_threads(1)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trial, "SECONDS", 0.1)
    with mock.patch.dict(os.environ):
        os.environ.pop("RANK", None)
        yield tmp_path


def call(shards: Path, *options: str, changes: tuple[str, ...] = ()) -> int:
    sets = [word for change in (*CHANGES, *changes) for word in ("--set", change)]
    return main(["estimate", "bert_wwm", "--data", str(shards), *sets, *options])


def test_an_estimate_counts_text_as_the_run_will_see_it(
    shards: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(shards, "--json", "--price", "2") == 0
    found = json.loads(capsys.readouterr().out)
    recipe = load_recipe("bert_wwm", CHANGES).recipe
    mixture = open_mixture([(str(shards), 1.0)], 0.05)
    for stage, settings in zip(found["stages"], recipe.stages, strict=True):
        kind, row_tokens = build_sequences(recipe.sequences), settings.row_tokens
        plan = make_plan(mixture, kind, seed=0, epoch=0, row_tokens=row_tokens, folder=here / "plans")
        rows = settings.steps * settings.batch_rows
        assert stage["tokens"] == round(rows * plan.n_tokens / plan.n_rows)
        assert stage["epochs"] == pytest.approx(rows / plan.n_rows)
        assert stage["tokens_per_second"] > 0
        assert 0 < stage["mfu"] < 2
        assert stage["memory"]["most"] > stage["memory"]["weights"] == 4 * found["n_parameters"]
        assert (stage["micro_rows"], stage["wanted_micro_rows"]) == (2, 2)
    assert found["cost"] == pytest.approx(2 * found["hours"])
    assert found["hours"] > sum(stage["hours"] for stage in found["stages"])
    assert found["checkpoint_bytes"] == 12 * found["n_parameters"]


def test_an_estimate_writes_nothing_and_is_read_by_people(
    shards: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(shards, "--price", "2") == 0
    text = capsys.readouterr().out
    assert [entry.name for entry in here.rglob("*")] == ["temporary"]
    for said in ("stage 0     5 steps of 6 x 64 tokens", "tokens a second, mfu", "activations", "at 2 an hour"):
        assert said in text


def test_a_model_that_cannot_fit_is_refused_before_it_is_made(
    shards: Path, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "to_be_had", lambda device: 1 << 20)
    monkeypatch.setattr(estimates, "Run", lambda *rest: pytest.fail("it was made"))
    assert call(shards) == 71
    assert "smaller model" in capsys.readouterr().err


def test_rows_that_do_not_fit_get_a_number_that_does(
    shards: Path, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trial, "halve", lambda rows, *rest: 1)
    assert call(shards) == 0
    assert capsys.readouterr().out.count("2 rows at once do not fit. Use --set micro_rows=1") == 2


@pytest.mark.parametrize(
    ("rows", "at_hand", "fitting"),
    [(32, 1000, 32), (32, 409, 16), (32, 410, 32), (32, 130, 4), (32, 120, 2), (32, 90, 1), (1, 0, 1), (24, 300, 12)],
)
def test_rows_are_halved_until_they_fit(rows: int, at_hand: float, fitting: int) -> None:
    """The first row holds 100, each further one 10."""
    assert halve(rows, 100, 10, at_hand) == fitting


@pytest.mark.parametrize("n_micro_batches", [1, 2, 5, 30])
def test_a_micro_batch_and_an_update_are_told_apart(n_micro_batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A micro-batch takes 0.2 s, an update 0.5 s."""
    steps: list[int] = []
    monkeypatch.setattr(trial, "_step", lambda run, stage, some: steps.append(len(some)) or 0.2 * len(some) + 0.5)
    micro, update = trial._time(None, None, [None] * n_micro_batches)  # type: ignore[arg-type,list-item]
    assert (micro, update) == pytest.approx((0.7, 0.0) if n_micro_batches == 1 else (0.2, 0.5))
    assert 2 * sum(steps) * 0.2 < 4 * trial.SECONDS


def test_memory_is_taken_apart_without_a_rest_below_nothing() -> None:
    assert Memory(most=100, weights=10, gradients=10, moments=20, program=15).activations == 45
    assert Memory(most=20, weights=10, gradients=10, moments=20, program=15).activations == 0


def test_hours_are_those_of_all_stages_and_the_start() -> None:
    stage = StageEstimate(7, 0.5, 1800.0, 1.0, 0.5, Memory(1, 1, 0, 0, 0), 4, 4)
    ahead = SimpleNamespace(checkpoints_kept=2, checkpoint_bytes=12, weight_bytes=4)
    found = Estimate(ahead, 2, 3600.0, [stage, stage], 3.0)  # type: ignore[arg-type]
    assert (found.hours, found.tokens, found.disk_bytes) == (2.0, 14, 40)


def test_memory_of_a_process_grows_and_its_peak_can_be_forgotten() -> None:
    memory.forget_most(CPU)
    before = memory.most_held(CPU)
    big = torch.ones(1 << 24)
    assert memory.most_held(CPU) - before > 1 << 25
    assert memory.held(CPU) <= memory.most_held(CPU)
    del big
    assert 0 < memory.to_be_had(CPU) < 1 << 50


@pytest.mark.parametrize(("most", "left"), [("1000\n", 600), ("300\n", 0), ("max\n", 1 << 62), (None, 1 << 62)])
def test_a_containers_limit_counts_without_the_files_it_has_read(tmp_path: Path, most: str | None, left: int) -> None:
    if most is not None:
        (tmp_path / "memory.max").write_text(most)
        (tmp_path / "memory.stat").write_text("file 5000\nanon 400\n")
    assert memory._left_of_group(tmp_path) == left


@pytest.mark.parametrize("options", [("--price", "-1"), ("--nproc", "0")])
def test_a_wrong_option_ends_with_2(options: tuple[str, str], shards: Path) -> None:
    assert call(shards, *options) == 2
