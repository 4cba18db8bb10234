"""A run goes on from what it saved and from nothing else: wrong loads are seen, wishes are kept, failures are told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Runner
from injections import INJECTED

from cn_bert.training import checkpoint, keeper, proof, snapshot
from cn_bert.training.log import read_log
from cn_bert.training.snapshot import Snapshot
from corpus_tools.errors import DiskError, NotFiniteError, StoppedError, UnverifiedError

ATTENTION = "bert.encoder.layer.0.attention.self"
SQUARE = f"{ATTENTION}.query.weight"
WORDS = "bert.embeddings.word_embeddings.weight"


def drawn(engine: Any, name: str) -> torch.Tensor:
    return dict(engine.module.model.named_parameters())[name].detach().clone()


def swap(tensors: dict[str, torch.Tensor], one: str, other: str) -> None:
    tensors[one], tensors[other] = tensors[other], tensors[one]


WRONG_LOADS: dict[str, Callable[[Any, dict, dict], None]] = {
    "a weight left as it was drawn": lambda engine, w, m: w.update({SQUARE: drawn(engine, SQUARE)}),
    "two weights swapped": lambda engine, w, m: swap(w, SQUARE, f"{ATTENTION}.key.weight"),
    "rows shifted, the norm unchanged": lambda engine, w, m: w.update({WORDS: w[WORDS].roll(1, 0)}),
    "a bias lost": lambda engine, w, m: w.update({f"{ATTENTION}.query.bias": torch.zeros(32)}),
    "one number changed": lambda engine, w, m: w[SQUARE].view(-1)[5].mul_(1.001),
    "half precision": lambda engine, w, m: w.update({name: value.bfloat16().float() for name, value in w.items()}),
    "moments lost": lambda engine, w, m: m.update({name: torch.zeros_like(value) for name, value in m.items()}),
    "moments swapped": lambda engine, w, m: swap(m, f"exp_avg.{SQUARE}", f"exp_avg_sq.{SQUARE}"),
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("begun") / "run"


@pytest.mark.parametrize("kind", WRONG_LOADS)
def test_a_wrong_load_is_refused_with_76_and_nothing_is_lost(
    run_here: Runner, begun: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if not begun.exists():
        run_here(begun, max_steps=3)
    real = keeper.restore_states

    def spoiled(engine: Any, states: Any, updates: int) -> None:
        weights, moments = ({n: v.clone() for n, v in part.items()} for part in (states.weights, states.moments))
        WRONG_LOADS[kind](engine, weights, moments)
        real(engine, replace(states, weights=weights, moments=moments), updates)

    monkeypatch.setattr(keeper, "restore_states", spoiled)
    INJECTED["wrong load"] += 1
    with pytest.raises(UnverifiedError, match="not what was saved") as caught:
        run_here(begun, max_steps=6)
    assert caught.value.exit_code == 76
    assert checkpoint.newest(begun / "checkpoints") == (3, [])
    assert [line["step"] for line in read_log(begun / "log.jsonl") if "loss" in line] == [1, 2, 3]


def test_a_checkpoint_of_another_model_is_refused(run_here: Runner, tmp_path: Path) -> None:
    for name, size in (("a", 64), ("b", 96)):
        run_here(tmp_path / name, f"model.intermediate_size={size}", max_steps=1)
    (tmp_path / "a" / "checkpoints").rename(tmp_path / "gone")
    (tmp_path / "b" / "checkpoints").rename(tmp_path / "a" / "checkpoints")
    with pytest.raises(UnverifiedError, match="another model"):
        run_here(tmp_path / "a", "model.intermediate_size=64", max_steps=2)


def test_an_old_checkpoint_without_a_proof_is_known_by_its_hashes(
    run_here: Runner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_here(tmp_path / "run", max_steps=2)
    folder = tmp_path / "run" / "checkpoints"
    found = snapshot.load(folder, 2)
    snapshot.write(folder, replace(found, state={k: v for k, v in found.state.items() if k != "proof"}, probe={}))
    assert len(run_here(tmp_path / "run", max_steps=3)) == 3
    assert "known by its hashes alone" in capsys.readouterr().err


def test_a_run_that_holds_nothing_out_is_known_by_training_rows(run_here: Runner, tmp_path: Path) -> None:
    run_here(tmp_path / "run", "held_out=0", max_steps=2)
    found = snapshot.load(tmp_path / "run" / "checkpoints", 2)
    assert found.probe["labels"].numel() > 0
    assert len(run_here(tmp_path / "run", "held_out=0", max_steps=3)) == 3


def test_a_step_that_is_wished_for_is_gone_on_from_and_later_ones_are_put_aside(
    run_here: Runner, tmp_path: Path
) -> None:
    every = ("checkpoint.every_steps=2", "checkpoint.keep=9")
    calm = run_here(tmp_path / "run", *every, max_steps=6)
    folder = tmp_path / "run" / "checkpoints"
    for step in (3, 7):
        with pytest.raises(UnverifiedError, match="are there: 2, 4, 6"):
            run_here(tmp_path / "run", *every, max_steps=8, from_step=step)
    weights = checkpoint.at(folder, 4) / checkpoint.WEIGHTS
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(UnverifiedError, match=r"weights\.safetensors"):
        run_here(tmp_path / "run", *every, max_steps=8, from_step=4)
    assert checkpoint.newest(folder) == (6, [])
    weights.write_bytes(whole)
    again = run_here(tmp_path / "run", *every, max_steps=5, from_step=4)
    assert [line["loss"] for line in again] == [line["loss"] for line in calm[:5]]
    assert checkpoint.steps(folder) == [2, 4, 5]
    assert len(list(folder.glob("abandoned-step-6*"))) == 1


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        (("checkpoint.every_steps=2", "checkpoint.keep=1", "checkpoint.keep_every_steps=4"), [4, 7]),
        (("checkpoint.every_minutes=1.0e-9", "checkpoint.keep=3"), [5, 6, 7]),
        (("checkpoint.every_minutes=60", "checkpoint.keep=3"), [7]),
    ],
)
def test_checkpoints_come_and_stay_by_number_and_by_time(
    run_here: Runner, tmp_path: Path, changes: tuple[str, ...], kept: list[int]
) -> None:
    run_here(tmp_path / "run", *changes, max_steps=7)
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == kept


@pytest.fixture
def fails_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the disk be full for the checkpoint of a step."""

    def set_step(step: int) -> None:
        real = snapshot.write

        def full(folder: Path, taken: Snapshot) -> Path:
            if taken.step == step:
                raise DiskError(f"step-{step}: disk full")
            return real(folder, taken)

        monkeypatch.setattr(keeper, "write", full)
        INJECTED["disk full in the thread"] += 1

    return set_step


@pytest.mark.parametrize(("failing", "left", "trained"), [(2, [], 4), (4, [2], 6), (7, [2, 4, 6], 7)])
def test_a_checkpoint_that_the_thread_cannot_write_ends_the_run_with_74_at_the_next_one_or_at_the_end(
    run_here: Runner, tmp_path: Path, fails_at: Callable[[int], None], failing: int, left: list[int], trained: int
) -> None:
    fails_at(failing)
    with pytest.raises(DiskError, match="disk full") as caught:
        run_here(tmp_path / "run", "checkpoint.every_steps=2", "checkpoint.keep=9", max_steps=7)
    assert caught.value.exit_code == 74
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == left
    assert len([line for line in read_log(tmp_path / "run" / "log.jsonl") if "loss" in line]) == trained


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A disk that takes its time, and the steps whose checkpoint it was given."""
    given: list[int] = []

    def slow(folder: Path, taken: Snapshot) -> Path:
        given.append(taken.step)
        if len(given) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)
        return snapshot.write(folder, taken)

    monkeypatch.setattr(keeper, "write", slow)
    return given


def test_a_stop_waits_for_what_is_being_written_and_writes_nothing_twice(
    run_here: Runner, tmp_path: Path, slow_disk: list[int]
) -> None:
    with pytest.raises(StoppedError, match="stopped after step"):
        run_here(tmp_path / "run", "checkpoint.every_steps=2", "checkpoint.keep=9")
    assert len(set(slow_disk)) == len(slow_disk)
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == slow_disk


def test_a_run_that_ends_badly_still_finishes_what_is_being_written(
    run_here: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(folder: Path, taken: Snapshot) -> Path:
        time.sleep(0.5)
        return snapshot.write(folder, taken)

    real = proof.norms

    def spoiled(tensors: dict[str, torch.Tensor]) -> dict[str, float]:
        return real(tensors) if not list((tmp_path / "run").glob("checkpoints/step-2")) else {"w": float("nan")}

    monkeypatch.setattr(keeper, "write", slow)
    monkeypatch.setattr(proof, "norms", spoiled)
    with pytest.raises(NotFiniteError, match="no checkpoint is written"):
        run_here(tmp_path / "run", "checkpoint.every_steps=2", "checkpoint.keep=9", max_steps=7)
    assert checkpoint.newest(tmp_path / "run" / "checkpoints") == (2, [])
