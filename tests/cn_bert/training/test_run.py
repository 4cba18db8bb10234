"""What a run does at its edges: objectives without a pair, stages that differ in them, checkpoints and signals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_heads_that_no_objective_reads_do_not_stop_a_resume(run_here, tmp_path: Path, stage: int) -> None:
    config = tmp_path / "ds.json"
    config.write_text(json.dumps({"zero_optimization": {"stage": stage}}))
    changes = ("objectives=[{name: mlm}]",)
    calm = bits(run_here(tmp_path / "calm", *changes, max_steps=6, config=config))
    run_here(tmp_path / "run", *changes, max_steps=3, config=config)
    assert bits(run_here(tmp_path / "run", *changes, max_steps=6, config=config)) == calm


@pytest.mark.parametrize("stage", [0, 1])
def test_a_head_that_is_first_read_after_a_resume(run_here, tmp_path: Path, stage: int) -> None:
    config = tmp_path / "ds.json"
    config.write_text(json.dumps({"zero_optimization": {"stage": stage}}))
    changes = ("stages.0.objectives=[{name: mlm}]", "stages.0.steps=4")
    calm = bits(run_here(tmp_path / "calm", *changes, max_steps=8, config=config))
    run_here(tmp_path / "run", *changes, max_steps=6, config=config)
    assert bits(run_here(tmp_path / "run", *changes, max_steps=8, config=config)) == calm


def bits(log: list[dict]) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in log]
