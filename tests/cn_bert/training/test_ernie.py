"""ERNIE's recipe, made small: three stages, a masking each, and its own pair task."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_runs import SMALL

from cn_bert.config import load_recipe
from cn_bert.data.mixture import open_mixture
from cn_bert.training.run_folder import fill_recipe, read_recipe
from cn_bert.training.stage import Stages

STEPS = [f"stages.{number}.{key}={value}" for number in range(3) for key, value in (("steps", 3), ("row_tokens", 64))]
CHANGES = [*STEPS, "schedule.warmup_steps=1", *(f"stages.{number}.batch_rows=3" for number in range(3))]
MASKINGS = ["char", "phrase", "entity"]


def test_the_run_goes_through_its_three_stages(run_here, tmp_path: Path) -> None:
    log = run_here(tmp_path / "run", *CHANGES, recipe="ernie")
    assert [line["step"] for line in log] == list(range(1, 10))
    assert all(line["loss"] == pytest.approx(line["mlm_loss"] + line["pair_loss"]) for line in log)
    assert not any("nsp_loss" in line for line in log)
    assert log[0]["pair_loss"] == pytest.approx(0.693, abs=0.15)
    saved = read_recipe(tmp_path / "run")
    assert [stage.masking["name"] for stage in saved.stages] == MASKINGS
    assert (saved.model.family, saved.model.max_position_embeddings) == ("ernie", 513)


def test_each_stage_has_its_masking_its_objectives_and_an_epoch_of_its_own(shards: Path, tmp_path: Path) -> None:
    recipe = fill_recipe(load_recipe("ernie", [*SMALL, *CHANGES]).recipe)
    stages = Stages(recipe, open_mixture([(str(shards), 1.0)], recipe.held_out), tmp_path, torch.device("cpu"))
    made = [stages[number] for number in range(3)]
    assert [stage.settings.masking["name"] for stage in made] == MASKINGS
    assert [[one.name for one in stage.objectives] for stage in made] == [["mlm", "pair"]] * 3
    epochs = [stage.steps.first_epoch for stage in made]
    assert epochs == sorted(set(epochs))
    assert epochs[0] == 0


def test_a_stage_can_have_objectives_of_its_own(run_here, tmp_path: Path) -> None:
    log = run_here(tmp_path / "run", *CHANGES, "stages.1.objectives=[{name: mlm, weight: 2.0}]", recipe="ernie")
    assert ["pair_loss" in line for line in log] == [True] * 3 + [False] * 3 + [True] * 3
    assert log[4]["loss"] == pytest.approx(2 * log[4]["mlm_loss"])
