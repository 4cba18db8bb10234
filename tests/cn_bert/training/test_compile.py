"""Runs with compiled layers have the losses of runs without, whatever else is set."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import Runner
from safetensors import safe_open
from small_runs import SMALL, command, losses, run_command

from cn_bert.config import load_recipe
from cn_bert.micro_batch import Shape
from cn_bert.models.compiled import compile_layers
from cn_bert.training import run
from cn_bert.training.outlook import outlook
from cn_bert.training.run import Request
from cn_bert.training.stage import Stage
from corpus_tools.errors import SettingsError

FEW = ["stages.0.steps=3", "stages.1.steps=2"]


@pytest.fixture
def without_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have graphs made and not compiled, which takes no compiler and little time."""
    torch._dynamo.reset()
    monkeypatch.setattr(run, "compile_layers", partial(compile_layers, backend="aot_eager"))


def of(lines: list[dict]) -> list[tuple[int, float, int]]:
    return [(line["step"], line["loss"], line["tokens"]) for line in lines]


@pytest.mark.parametrize(
    ("zero", "changes"),
    [(0, ["micro_rows=2"]), (1, ["activation_checkpointing=true"]), (2, ["micro_rows=1", "optimizer.name=adamw"])],
)
def test_losses_and_weights_are_those_of_a_run_that_is_not_compiled(
    run_here: Runner, tmp_path: Path, without_compiler: None, zero: int, changes: list[str]
) -> None:
    (tmp_path / "zero.json").write_text(json.dumps({"zero_optimization": {"stage": zero}}))
    plain, compiled = (
        run_here(tmp_path / on, *FEW, *changes, f"compile={on}", config=tmp_path / "zero.json")
        for on in ("false", "true")
    )
    for wanted, found in zip(of(plain), of(compiled), strict=True):
        assert found == pytest.approx(wanted, rel=1e-5)
    names = []
    for on in ("false", "true"):
        with safe_open(tmp_path / on / "checkpoints" / "step-5" / "weights.safetensors", "pt") as weights:
            names.append(list(weights.keys()))
    assert names[0] == names[1]


def test_a_run_may_begin_or_end_it_on_a_resume(run_here: Runner, tmp_path: Path, without_compiler: None) -> None:
    whole = run_here(tmp_path / "whole", *FEW)
    for last, on in ((2, "true"), (4, "false"), (None, "true")):
        parts = run_here(tmp_path / "parts", *FEW, f"compile={on}", max_steps=last)
    for wanted, found in zip(of(whole), of(parts), strict=True):
        assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("batch_rows", "micro_rows", "world", "rows"), [(7, 4, 1, 4), (100, 64, 1, 50), (9, 64, 2, 5), (130, 64, 1, 44)]
)
def test_rows_are_dealt_out_evenly_so_that_little_is_filled_up(
    batch_rows: int, micro_rows: int, world: int, rows: int
) -> None:
    settings = load_recipe("bert_wwm", [f"stages=[{{steps: 1, row_tokens: 64, batch_rows: {batch_rows}}}]"]).recipe
    stage = object.__new__(Stage)
    vars(stage).update(settings=settings.stages[0], micro_rows=micro_rows, compiled=True)
    assert stage.shape(SimpleNamespace(world=world)) == Shape(rows, 64)


def test_a_machine_without_a_compiler_is_told_so_before_anything_is_written(
    run_here: Runner, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    said = "compile: true needs a compiler on this machine, and no-such-compiler is not found"
    with pytest.raises(SettingsError, match=said) as refused:
        run_here(tmp_path / "run", "compile=true")
    assert refused.value.exit_code == 64
    with pytest.raises(SettingsError, match=said):
        outlook(load_recipe("bert_wwm", [*SMALL, "compile=true"]), Request(tmp_path / "run", (str(shards),)))
    assert not (tmp_path / "run" / "recipe.yaml").exists()


@pytest.mark.slow
def test_two_ranks_with_layers_compiled_for_this_processor(few_shards: Path, tmp_path: Path) -> None:
    found = []
    for on, ranks in (("false", "1"), ("true", "2")):
        ended = run_command(command(few_shards, tmp_path / on, "--nproc", ranks, changes=(*FEW, f"compile={on}")))
        assert ended.returncode == 0, ended.stderr
        found.append(of(losses(tmp_path / on)))
    for wanted, compiled in zip(*found, strict=True):
        assert compiled == pytest.approx(wanted, rel=1e-5)
