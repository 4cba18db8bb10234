"""The start-up test of the gradients: what it lets pass, what it refuses, and that a run does not feel it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from injections import INJECTED
from small_runs import environment, losses
from spoiled_engines import CASES, SPOILS_OF_ONE_RANK, told

from cn_bert.data.batches import count
from cn_bert.launch import free_port
from cn_bert.training import run
from cn_bert.training.engine import Ranks, start_ranks
from cn_bert.training.log import read_log
from cn_bert.training.self_test import first_rows
from corpus_tools.errors import RefusedError


def is_right(case: tuple[int, str, str], said: str) -> bool:
    """A spoiled engine is refused by a message with its stage and both norms, a sound one passes."""
    stage, _, how = case
    if how == "sound":
        return not said
    return f"ZeRO stage {stage}" in said and "has the norm" in said and "plain autograd's has" in said


@pytest.mark.parametrize(
    "case", [case for case in CASES if case[2] in ("sound", "wrong_norm", *SPOILS_OF_ONE_RANK)], ids=str
)
def test_on_one_rank_a_spoiled_engine_is_refused_and_a_sound_one_is_not(
    case: tuple[int, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    monkeypatch.delenv("RANK", raising=False)
    assert is_right(case, told(*case, start_ranks()))


def test_on_two_ranks_a_spoiled_engine_is_refused_by_both_and_a_sound_one_by_none() -> None:
    script = [sys.executable, str(Path(__file__).with_name("spoiled_engines.py"))]
    address = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    places = ({"RANK": rank, "LOCAL_RANK": rank} for rank in "01")
    going = [
        subprocess.Popen(
            script, env=environment() | address | place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for place in places
    ]
    first, second = (
        [json.loads(line) for line in rank.communicate(timeout=300)[0].splitlines() if line.startswith(("{", "[["))]
        for rank in going
    )
    assert [rank.returncode for rank in going] == [0, 0]
    assert first == second
    INJECTED["step poisoned: gradient infinite on one rank of two"] += 3
    assert first.pop() == 3 * [[True, False]]  # the first rank too sees what is no number on the second alone
    assert [tuple(found["case"]) for found in first] == CASES
    for found in first:
        assert is_right(found["case"], found["said"]), found


@pytest.mark.parametrize("stage", [0, 2])
def test_a_run_and_a_resumed_one_do_not_feel_the_test(
    run_here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: int
) -> None:
    config = tmp_path / "ds.json"
    config.write_text(json.dumps({"zero_optimization": {"stage": stage}}))
    for last in (3, 6):
        run_here(tmp_path / "tested", "dropout=0.1", max_steps=last, config=config)
    told_of = [line for line in read_log(tmp_path / "tested" / "log.jsonl") if "gradient_difference" in line]
    assert len(told_of) == 2
    assert all(line["gradient_difference"] < 1e-5 for line in told_of)
    monkeypatch.setattr(run, "check_gradients", lambda *arguments: 0.0)
    for last in (3, 6):
        run_here(tmp_path / "untested", "dropout=0.1", max_steps=last, config=config)
    assert bits(tmp_path / "tested") == bits(tmp_path / "untested")
    for name in ("weights.safetensors", "moments.safetensors"):
        tested, untested = (tmp_path / run / "checkpoints" / "step-6" / name for run in ("tested", "untested"))
        assert tested.read_bytes() == untested.read_bytes()


def bits(out: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in losses(out)]


def test_a_run_whose_gradients_would_be_spoiled_is_refused_before_its_first_step(
    run_here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_engine = run.make_engine

    def spoiled(*arguments):
        engine = make_engine(*arguments)
        backward = engine.backward
        engine.backward = lambda loss, **options: backward(loss * 1.05, **options)
        return engine

    monkeypatch.setattr(run, "make_engine", spoiled)
    with pytest.raises(RefusedError, match="plain autograd"):
        run_here(tmp_path / "run")
    assert not losses(tmp_path / "run")


def test_few_rows_are_used_again(run_here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(run, "check_gradients", lambda engine, batches, *rest: seen.append(batches))
    monkeypatch.setattr(
        run, "first_rows", lambda stage, step, ranks: first_rows(stage, step, Ranks(1, 2, ranks.device))
    )
    run_here(tmp_path / "run", "stages.0.batch_rows=1", max_steps=1)
    ((one, other),) = seen
    assert torch.equal(one.input_ids, other.input_ids)
    assert count([one])["mlm"]
