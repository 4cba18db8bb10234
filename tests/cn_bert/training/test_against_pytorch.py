"""DeepSpeed at every stage, precision and number of ranks against twenty steps of plain PyTorch."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import pytest
import torch
from small_runs import SMALL, command, losses, run_command

from cn_bert.config import load_recipe
from cn_bert.data.mixture import open_mixture
from cn_bert.models import build_model
from cn_bert.training.engine import Ranks
from cn_bert.training.module import PretrainingModule
from cn_bert.training.precision import DTYPES
from cn_bert.training.run_folder import fill_recipe
from cn_bert.training.schedule import learning_rate, stage_of
from cn_bert.training.stage import Stages

STEPS = 20
RATE = "optimizer.peak_lr=0.002"
"""High enough that a wrong update shows in the next losses."""
TOLERANCES = {"fp32": 1e-5, "bf16": 2e-2}
"""Relative. On two ranks bf16 products have other shapes, and round otherwise."""


@pytest.fixture(scope="module")
def plain(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """The losses of the twin, by precision."""
    torch.set_num_threads(1)
    return {name: plain_losses(shards, tmp_path_factory.mktemp("plain"), name) for name in TOLERANCES}


def plain_losses(shards: Path, plans: Path, precision: str) -> list[float]:
    """The twin: no engine, no ranks, no micro-batches; AdamW and a clip, written out."""
    recipe = fill_recipe(load_recipe("bert_wwm", [*SMALL, RATE]).recipe)
    mixture = open_mixture([(str(shards), 1.0)], recipe.held_out)
    stages = Stages(recipe, mixture, plans, torch.device("cpu"))
    torch.manual_seed(recipe.seed)
    model = build_model(recipe.model, mixture.vocabulary.size, mixture.vocabulary.pad_id, 0.0)
    module = PretrainingModule(model, torch.float32)
    decayed = [p for n, p in model.named_parameters() if not n.endswith("bias") and "LayerNorm" not in n]
    others = [p for n, p in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
        betas=(0.9, 0.999),
        eps=1e-6,
    )
    alone, found = Ranks(0, 1, torch.device("cpu")), []
    for step in range(1, STEPS + 1):
        number, within = stage_of(recipe, step)
        (batch,) = stages[number].batches(within, within + 1, alone)
        (whole,) = batch.micro_batches
        with torch.autocast("cpu", DTYPES[precision], enabled=precision == "bf16"):
            hidden = module.encode(whole)
            mlm, nsp = (one.loss(model, hidden, whole)[0] for one in stages[number].objectives)
        loss = mlm / batch.counts["mlm"] + nsp / batch.counts["pair"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step)
        optimizer.step()
        found.append(loss.item())
    return found


def compare(log: list[dict], plain: list[float], precision: str) -> float:
    """Return the largest relative difference of a loss, once it is known to be small."""
    assert [line["step"] for line in log] == list(range(1, STEPS + 1))
    differences = [abs(line["loss"] - ours) / ours for line, ours in zip(log, plain, strict=True)]
    assert max(differences) <= TOLERANCES[precision]
    return max(differences)


def ds_config(folder: Path, stage: int) -> Path:
    file = folder / "ds.json"
    file.write_text(json.dumps({"zero_optimization": {"stage": stage}}))
    return file


def test_the_twin_learns_enough_to_tell_updates_apart(plain: dict[str, list[float]]) -> None:
    for found in plain.values():
        assert found[-1] < found[0] - 0.2


@pytest.mark.parametrize(
    ("stage", "precision", "micro_rows"),
    [
        *product((0, 1, 2), TOLERANCES, (2,)),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in product((0, 1, 2), TOLERANCES, (100,))),
    ],
)
def test_one_rank_equals_plain_pytorch(
    run_here, tmp_path: Path, plain: dict[str, list[float]], stage: int, precision: str, micro_rows: int
) -> None:
    """In one micro-batch a step, and in four."""
    changes = (RATE, f"precision={precision}", f"micro_rows={micro_rows}")
    log = run_here(tmp_path / "run", *changes, config=ds_config(tmp_path, stage))
    print(f"1 rank, {stage=}, {precision}, {micro_rows=}: {compare(log, plain[precision], precision):.1e}")


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "precision", "micro_rows"), [*product((0, 1, 2), TOLERANCES, (2, 100))])
def test_two_ranks_equal_plain_pytorch(
    shards: Path, tmp_path: Path, plain: dict[str, list[float]], stage: int, precision: str, micro_rows: int
) -> None:
    """In one micro-batch a step, and in two."""
    changes = (RATE, f"precision={precision}", f"micro_rows={micro_rows}")
    options = ("--nproc", "2", "--deepspeed_config", str(ds_config(tmp_path, stage)))
    done = run_command(command(shards, tmp_path / "run", *options, changes=changes))
    assert done.returncode == 0, done.stderr
    difference = compare(losses(tmp_path / "run"), plain[precision], precision)
    print(f"2 ranks, {stage=}, {precision}, {micro_rows=}: {difference:.1e}")
