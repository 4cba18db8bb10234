"""Steps that grow and masking rates that move: pure functions of the step, whatever interrupts or splits a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import SMALL

from cn_bert.config import Recipe, load_recipe
from cn_bert.data.mixture import open_mixture
from cn_bert.stage_settings import StageSettings
from cn_bert.training.engine import Ranks
from cn_bert.training.run_folder import fill_recipe
from cn_bert.training.schedule import learning_rate
from cn_bert.training.stage import Stage, Stages
from corpus_tools import configs, masking
from corpus_tools.errors import SettingsError

RAMP = "stages.0.batch_ramp={start_rows: 2, steps: 6}"
RATE = "stages.0.mask_rate={start: 0.4, end: 0.1}"
ALONE = Ranks(0, 1, torch.device("cpu"))


def stage_of(**more: object) -> StageSettings:
    return StageSettings.model_validate({"steps": 50, "row_tokens": 64, "batch_rows": 32, **more})


def filled(*changes: str, recipe: str = "bert_wwm") -> Recipe:
    return fill_recipe(load_recipe(recipe, [*SMALL, *changes]).recipe)


def first_stage(shards: Path, folder: Path, *changes: str) -> Stage:
    recipe = filled(*changes)
    return Stages(recipe, open_mixture([(str(shards), 1.0)], recipe.held_out), folder, torch.device("cpu"))[0]


@pytest.mark.parametrize(("start", "rows", "steps"), [(1, 32, 2), (1, 32, 50), (8, 32, 7), (31, 32, 40), (32, 32, 5)])
def test_rows_rise_in_a_straight_line_and_never_fall(start: int, rows: int, steps: int) -> None:
    stage = stage_of(batch_ramp={"start_rows": start, "steps": steps})
    rising = stage.rising_rows
    assert (rising[0], rising[-1], len(rising)) == (start, rows, steps)
    assert rising == sorted(rising)
    np.testing.assert_allclose(rising, np.linspace(start, rows, steps), atol=0.5 + 1e-9)
    one_by_one = [*rising, *[rows] * (stage.steps - steps)]
    assert [stage.rows_of(n) for n in range(stage.steps + 1)] == np.cumsum([0, *one_by_one]).tolist()


def test_a_stage_without_a_ramp_has_as_many_rows_at_every_step() -> None:
    assert stage_of().rising_rows == []
    assert stage_of().rows_of(50) == 50 * 32


@pytest.mark.parametrize(
    ("ramp", "message"),
    [
        ("{start_rows: 8, steps: 6}", "start_rows 8 is more than 7 rows"),
        ("{start_rows: 2, steps: 15}", "batch_ramp.steps 15 is more than the stage's 14 steps"),
        ("{start_rows: 0, steps: 6}", "stages.0.batch_ramp.start_rows"),
        ("{start_rows: 2, steps: 1}", "stages.0.batch_ramp.steps"),
        ("{start_row: 2, steps: 6}", "no such setting. Did you mean 'start_rows'?"),
    ],
)
def test_a_ramp_that_does_not_fit_its_stage_is_refused(ramp: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_recipe("bert_wwm", [*SMALL, f"stages.0.batch_ramp={ramp}"])
    assert message in str(caught.value)


def test_the_learning_rate_does_not_follow_the_rows() -> None:
    lamb = ("optimizer.name=lamb",)
    calm, rising = filled(*lamb), filled(*lamb, RAMP)
    assert [learning_rate(rising, step) for step in range(1, 15)] == [
        learning_rate(calm, step) for step in range(1, 15)
    ]


def test_a_later_stage_begins_after_the_epochs_that_a_rising_one_touched(shards: Path, tmp_path: Path) -> None:
    recipe = filled(RAMP)
    stages = Stages(recipe, open_mixture([(str(shards), 1.0)], recipe.held_out), tmp_path, torch.device("cpu"))
    steps = stages[0].steps
    touched = {epoch for step in range(14) for epoch, _ in steps.rows_of_step(step)}
    assert stages[1].steps.first_epoch == max(touched) + 1


def test_a_masking_rate_moves_in_a_straight_line_of_thousandths() -> None:
    moving = stage_of(steps=301, mask_rate={"start": 0.3, "end": 0.15})
    rates = [moving.rate_at(step) for step in range(301)]
    assert (rates[0], rates[-1]) == (0.3, 0.15)
    np.testing.assert_allclose(rates, np.linspace(0.3, 0.15, 301), atol=0.0005 + 1e-9)
    assert len(set(rates)) == 151
    assert stage_of(steps=1, mask_rate={"start": 0.3, "end": 0.15}).rate_at(0) == 0.3
    assert stage_of().rate_at(7) is None


@pytest.mark.parametrize("name", configs.names("masking"))
def test_each_step_is_masked_at_its_rate_and_held_out_text_at_the_maskings_own(
    name: str, shards: Path, tmp_path: Path
) -> None:
    """Drawn by hand: the masker of a recipe that has the step's rate from its first step to its last."""
    moving = first_stage(shards, tmp_path, f"masking={name}", RATE)
    for step, rate in ((0, 0.4), (4, 0.308), (13, 0.1)):
        fixed = first_stage(shards, tmp_path, f"masking={name}", f"masking.rate={rate}")
        (drawn,), (expected,) = (stage.batches(step, step + 1, ALONE) for stage in (moving, fixed))
        for ours, theirs in zip(drawn.micro_batches, expected.micro_batches, strict=True):
            assert torch.equal(ours.input_ids, theirs.input_ids)
            assert torch.equal(ours.masked_positions, theirs.masked_positions)
    calm = first_stage(shards, tmp_path, f"masking={name}")
    for ours, theirs in zip(moving.held_out(8, ALONE), calm.held_out(8, ALONE), strict=True):
        assert torch.equal(ours.input_ids, theirs.input_ids)


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        ("{start: 0.3, end: 1.2}", "stages.1.mask_rate: masking.rate: 1.2 is not a number between 0 and 1"),
        ("{start: 0.0, end: 0.15}", "stages.1.mask_rate: masking.rate: 0.0 is not a number between 0 and 1"),
        ("{start: .nan, end: 0.15}", "stages.1.mask_rate: masking.rate: nan is not a number between 0 and 1"),
        ("{start: 0.3}", "stages.1.mask_rate.end is missing"),
        ("{start: 0.3, end: 0.15, stop: 3}", "no such setting"),
    ],
)
def test_a_masking_refuses_a_rate_that_it_cannot_have(rate: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        filled(f"stages.1.mask_rate={rate}")
    assert message in str(caught.value)


def test_a_masking_without_a_rate_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Nothing:
        """Chooses no token."""

    monkeypatch.setitem(masking.MASKINGS, "none", Nothing)
    without = "stages.0.masking={name: none}"
    filled(without)
    with pytest.raises(SettingsError, match=r"stages\.0\.mask_rate: masking 'none' has no rate; leave it out"):
        filled(without, RATE)


def test_each_stage_has_a_range_of_its_own() -> None:
    rates = [f"stages.{number}.mask_rate={{start: 0.{3 - number}, end: 0.15}}" for number in range(3)]
    recipe = filled(*rates, "stages.2.steps=8", "stages.2.row_tokens=64", recipe="ernie")
    assert [stage.rate_at(0) for stage in recipe.stages] == [0.3, 0.2, 0.1]
    assert [stage.rate_at(stage.steps - 1) for stage in recipe.stages] == [0.15] * 3
    assert [stage.masking["rate"] for stage in recipe.stages] == [0.15] * 3


def test_a_run_that_rises_and_moves_goes_on_bit_equal(run_here, tmp_path: Path) -> None:
    both = (RAMP, RATE, "schedule.decay=cosine")
    whole = run_here(tmp_path / "whole", *both)
    run_here(tmp_path / "parts", *both, max_steps=4)
    parts = run_here(tmp_path / "parts", *both)
    assert [(line["step"], line["loss"], line["tokens"]) for line in parts] == [
        (line["step"], line["loss"], line["tokens"]) for line in whole
    ]
    seen = np.diff([0, *(line["tokens"] for line in whole)])
    assert seen[0] < 3 * 64 <= seen[6]
