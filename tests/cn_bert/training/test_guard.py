"""What is no number never becomes a weight, a leaping loss is told, and weights that stand still end a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Runner
from injections import INJECTED
from torch import Tensor

from cn_bert.training import checkpoint, guard, run
from cn_bert.training.guard import usual_loss
from cn_bert.training.log import read_log
from cn_bert.training.loop import Outcome
from cn_bert.training.states import gather_states
from corpus_tools.errors import NotFiniteError, StillError

MATRIX = "model.bert.encoder.layer.1.output.dense.weight"
BIAS = "model.cls.predictions.bias"
STAGES = [0, 1, 2]
PRECISIONS = ["fp32", "bf16"]
FEW = ("micro_rows=3",)
"""Three micro-batches in a step."""


def one_value(value: float) -> Callable[[Tensor], Tensor]:
    """Return a hook that spoils one number of a gradient."""

    def spoil(gradient: Tensor) -> Tensor:
        spoiled = gradient.clone()
        spoiled.view(-1)[-1] = value
        return spoiled

    return spoil


def spoil_weight(module: torch.nn.Module) -> Any:
    """Have a weight be no number until the handle is removed."""

    class Handle:
        weight = module.get_parameter(MATRIX).data.view(-1)
        before = weight[5].clone()

        def remove(self) -> None:
            self.weight[5] = self.before

    Handle.weight[5] = float("nan")
    return Handle()


POISONS: Mapping[str, Callable[[torch.nn.Module], Any]] = {
    "loss NaN": lambda module: module.register_forward_hook(lambda m, i, o: (o[0] * torch.nan, o[1] * torch.nan)),
    "loss infinite": lambda module: module.register_forward_hook(lambda m, i, o: (o[0] * torch.inf, o[1] * torch.inf)),
    "weight NaN": spoil_weight,
    "gradient infinite": lambda module: module.get_parameter(MATRIX).register_hook(one_value(torch.inf)),
    "gradient NaN": lambda module: module.get_parameter(BIAS).register_hook(one_value(torch.nan)),
    "gradient's norm infinite": lambda module: module.get_parameter(MATRIX).register_hook(one_value(3e38)),
}


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[int, str]], None]:
    """Poison some steps of the runs to come; weights and moments have to stay to the bit."""

    def set_steps(steps: Mapping[int, str]) -> None:
        train_step = run.train_step

        def poisoned(engine: Any, *args: Any, step: int, **more: Any) -> Outcome:
            if step not in steps:
                return train_step(engine, *args, step=step, **more)
            INJECTED[f"step poisoned: {steps[step]}"] += 1
            before = gather_states(engine)
            handle = POISONS[steps[step]](engine.module)
            outcome = train_step(engine, *args, step=step, **more)
            handle.remove()
            after = gather_states(engine)
            assert_same(before.weights, after.weights)
            assert_same(before.moments, after.moments)
            return outcome

        monkeypatch.setattr(run, "train_step", poisoned)

    return set_steps


def assert_same(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> None:
    assert before.keys() == after.keys()
    assert all(torch.equal(value.view(torch.int32), after[name].view(torch.int32)) for name, value in before.items())


def never_made(monkeypatch: pytest.MonkeyPatch, steps: Sequence[int]) -> None:
    """The twin of skipping: the engine never sees these steps."""
    train_step = run.train_step

    def left_out(engine: Any, batch: Any, *args: Any, step: int, **more: Any) -> Outcome:
        if step in steps:
            return Outcome(0.0, {}, batch.n_real_tokens, skipped="loss")
        return train_step(engine, batch, *args, step=step, **more)

    monkeypatch.setattr(run, "train_step", left_out)


def told(out: Path, key: str) -> list[dict]:
    return [line for line in read_log(out / "log.jsonl") if key in line]


def ds_config(tmp_path: Path, stage: int) -> Path:
    path = tmp_path / "ds.json"
    path.write_text(json.dumps({"zero_optimization": {"stage": stage}}))
    return path


STEPS = dict(zip((2, 3, 5, 6, 8, 9), POISONS, strict=True))
FOUND = {2: "loss", 3: "loss", 5: "loss", 6: "gradient", 8: "gradient", 9: "gradient"}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_step_that_is_no_number_is_as_if_it_had_never_been_made(
    run_here: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, poison: Any, stage: int, precision: str
) -> None:
    changes, config = (*FEW, f"precision={precision}"), ds_config(tmp_path, stage)
    with monkeypatch.context() as twin:
        never_made(twin, list(STEPS))
        calm = run_here(tmp_path / "twin", *changes, max_steps=10, config=config)
    poison(STEPS)
    log = run_here(tmp_path / "run", *changes, max_steps=10, config=config)
    assert [line["step"] for line in log] == [1, 4, 7, 10]
    assert [(line["loss"], line["tokens"]) for line in log] == [(line["loss"], line["tokens"]) for line in calm]
    skipped = told(tmp_path / "run", "skipped")
    assert {line["step"]: line["skipped"] for line in skipped} == FOUND
    assert skipped[0]["rows"] == [[0, 7, 14]]


@pytest.mark.parametrize("stage", [0, pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_run_goes_on_bit_equal_after_a_skipped_step(
    run_here: Runner, tmp_path: Path, poison: Any, stage: int
) -> None:
    """The optimizer has counted fewer updates than the run has made steps."""
    poison({2: "gradient NaN"})
    config = ds_config(tmp_path, stage)
    calm = run_here(tmp_path / "calm", *FEW, max_steps=5, config=config)
    run_here(tmp_path / "run", *FEW, max_steps=3, config=config)
    again = run_here(tmp_path / "run", *FEW, max_steps=5, config=config)
    assert [(line["step"], line["loss"]) for line in again] == [(line["step"], line["loss"]) for line in calm]


@pytest.mark.parametrize(("max_skips", "last"), [(3, 6), (1, 2)])
def test_skips_in_a_row_end_the_run_with_70_and_the_checkpoint_before_them(
    run_here: Runner, tmp_path: Path, poison: Any, capsys: pytest.CaptureFixture[str], max_skips: int, last: int
) -> None:
    poison(dict.fromkeys((2, 4, 5, 6), "gradient infinite"))
    changes = ("checkpoint.every_steps=3", "checkpoint.keep=9", f"guard.max_skips={max_skips}")
    with pytest.raises(NotFiniteError, match=f"step {last}: {max_skips} steps in a row") as caught:
        run_here(tmp_path / "run", *changes, max_steps=9)
    assert caught.value.exit_code == 70
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == ([3] if last > 3 else [])
    assert f"step {last} is skipped: its gradient is no number; its rows are" in capsys.readouterr().err


def test_skips_in_a_row_are_counted_on_after_a_stop(run_here: Runner, tmp_path: Path, poison: Any) -> None:
    poison(dict.fromkeys((3, 4, 5), "loss NaN"))
    run_here(tmp_path / "run", max_steps=4)
    with pytest.raises(NotFiniteError, match="step 5: 3 steps in a row"):
        run_here(tmp_path / "run", max_steps=9)


@pytest.mark.parametrize("number", range(5))
def test_the_bound_of_a_spike_is_that_of_its_definition(number: int) -> None:
    losses = np.random.default_rng(number).normal(7, 0.3, guard.WINDOW)
    middle = np.median(losses)
    bound = middle + 6 * 1.4826 * np.median(np.abs(losses - middle))
    assert usual_loss(list(losses)) == pytest.approx((middle, bound))
    assert usual_loss(list(losses[1:])) is None


def test_losses_that_fall_or_scatter_are_no_spikes() -> None:
    draw = np.random.default_rng(0)
    losses = list(10 * np.exp(-np.arange(2000) / 300) + 2 + draw.normal(0, 0.1, 2000))
    windows = ((usual_loss(losses[at - guard.WINDOW : at]), losses[at]) for at in range(guard.WINDOW, 2000))
    assert not any(loss > usual[1] for usual, loss in windows)


@pytest.fixture
def leap(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Have losses compare after eight of them, and that of a step be ten times as high; its gradient is as it was."""

    def set_step(at: int) -> None:
        summarise, train_step = run.train_step.__globals__["summarise"], run.train_step
        seen = {}

        def watched(*args: Any, step: int, **more: Any) -> Outcome:
            seen["step"] = step
            return train_step(*args, step=step, **more)

        def leaping(sums: Tensor, *args: Any) -> Outcome:
            return summarise(sums * 10 if seen["step"] == at else sums, *args)

        monkeypatch.setattr(guard, "WINDOW", 8)
        monkeypatch.setattr("cn_bert.training.loop.summarise", leaping)
        monkeypatch.setattr(run, "train_step", watched)
        INJECTED["loss leaps"] += 1

    return set_step


@pytest.mark.parametrize("keep", [False, True])
def test_a_leaping_loss_is_told_with_its_rows_and_the_checkpoint_before_it_may_stay(
    run_here: Runner, tmp_path: Path, leap: Callable[[int], None], capsys: pytest.CaptureFixture[str], keep: bool
) -> None:
    leap(11)
    changes = ("checkpoint.every_steps=2", "checkpoint.keep=1", f"guard.keep_spikes={str(keep).lower()}")
    log = run_here(tmp_path / "run", *changes, max_steps=14)
    (line,) = told(tmp_path / "run", "spike")
    assert line["step"] == 11
    assert line["spike"] == log[10]["loss"] > line["bound"] > line["usual"]
    assert line["rows"] == [[0, 70, 77]]
    assert "step 11: the loss leapt to" in capsys.readouterr().err
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == ([10, 14] if keep else [14])
    assert checkpoint.newest(tmp_path / "run" / "checkpoints") == (14, [])


@pytest.mark.parametrize(("at", "found"), [(11, [11]), (16, [])])
def test_what_is_usual_is_known_again_after_a_stop_and_learned_anew_by_a_stage(
    run_here: Runner, tmp_path: Path, leap: Callable[[int], None], at: int, found: list[int]
) -> None:
    """The second stage begins at step 15: its losses are of other rows."""
    leap(at)
    for max_steps in (10, 17):
        run_here(tmp_path / "run", max_steps=max_steps)
    assert [line["step"] for line in told(tmp_path / "run", "spike")] == found


@pytest.mark.parametrize("stage", STAGES)
def test_weights_that_stand_still_end_the_run_with_70(
    run_here: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: int
) -> None:
    """Every update from the fourth step on is lost."""
    train_step = run.train_step

    def lost(engine: Any, *args: Any, step: int, lr: float, **more: Any) -> Outcome:
        return train_step(engine, *args, step=step, lr=lr if step < 4 else 0.0, **more)

    monkeypatch.setattr(run, "train_step", lost)
    INJECTED["updates lost"] += 1
    config = ds_config(tmp_path, stage)
    with pytest.raises(StillError, match=r"step 6: .*layer\.0\.attention.* did not move") as caught:
        run_here(tmp_path / "run", "guard.still_every=3", max_steps=9, config=config)
    assert caught.value.exit_code == 70


def test_weights_may_stand_still_where_no_update_was_made(run_here: Runner, tmp_path: Path, poison: Any) -> None:
    poison(dict.fromkeys((4, 5, 6), "loss NaN"))
    log = run_here(tmp_path / "run", "guard.still_every=3", "guard.max_skips=4", max_steps=9)
    assert [line["step"] for line in log] == [1, 2, 3, 7, 8, 9]
