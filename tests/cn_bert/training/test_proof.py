"""What a model is known by: norms that see every number, and the loss on rows that come back as they were."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import SMALL
from torch import Tensor, nn

from cn_bert.config import load_recipe
from cn_bert.data.mixture import open_mixture
from cn_bert.micro_batch import MicroBatch
from cn_bert.models import build_model
from cn_bert.training import proof
from cn_bert.training.module import PretrainingModule
from cn_bert.training.run_folder import fill_recipe
from cn_bert.training.stage import Stage, Stages
from corpus_tools.errors import UnverifiedError

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=["0.05", "0"], ids=["held out", "nothing held out"])
def stage(shards: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Stage:
    recipe = fill_recipe(load_recipe("bert_wwm", [*SMALL, f"held_out={request.param}"]).recipe)
    mixture = open_mixture([(str(shards), 1.0)], recipe.held_out)
    return Stages(recipe, mixture, tmp_path_factory.mktemp("plans"), CPU)[0]


def test_the_rows_are_few_masked_and_the_same_every_time(stage: Stage) -> None:
    rows = proof.probe_rows(stage, CPU)
    assert rows.labels.numel() > 0
    assert rows.n_real_tokens == rows.layout.bounds[-1] <= proof.PROBE_ROWS * stage.settings.row_tokens
    assert_equal(proof.probe_rows(replace(stage, micro_rows=100), CPU), rows)


def test_rows_come_back_as_they_were(stage: Stage) -> None:
    rows = proof.probe_rows(stage, CPU)
    assert_equal(proof.from_tensors(proof.to_tensors(rows)), rows)


def assert_equal(ours: MicroBatch, theirs: MicroBatch) -> None:
    for field in fields(MicroBatch):
        one, other = getattr(ours, field.name), getattr(theirs, field.name)
        if isinstance(one, Tensor):
            assert torch.equal(one, other)
            assert one.dtype == other.dtype
    assert ours.layout.bounds.tolist() == theirs.layout.bounds.tolist()
    assert ours.n_real_tokens == theirs.n_real_tokens


def test_the_loss_is_that_of_the_step_without_dropout_and_draws_nothing(stage: Stage) -> None:
    recipe = load_recipe("bert_wwm", SMALL).recipe
    vocabulary = stage.mixture.vocabulary
    torch.manual_seed(0)
    module = PretrainingModule(build_model(recipe.model, vocabulary.size, vocabulary.pad_id, 0.5), torch.float32)
    module.train()
    rows, before = proof.probe_rows(stage, CPU), torch.get_rng_state()
    loss = proof.probe_loss(module, rows, stage.objectives, CPU)
    assert loss == proof.probe_loss(module, rows, stage.objectives, CPU)
    assert module.training
    assert torch.equal(torch.get_rng_state(), before)
    mlm, nsp = stage.objectives
    hidden = module.eval().encode(rows)
    twin = mlm.loss(module.model, hidden, rows)[0] / rows.labels.numel()
    twin = twin + nsp.loss(module.model, hidden, rows)[0] / (rows.is_next >= 0).sum()
    assert loss == pytest.approx(twin.item(), rel=1e-6)


def known_by(**changes: Any) -> dict[str, Any]:
    whole = {"norms": {"w": 3.0, "exp_avg.w": 0.5}, "loss": 7.5, "circumstances": {"device": "cpu", "ranks": 1}}
    return whole | changes


ELSEWHERE = {"device": "another", "ranks": 2}


@pytest.mark.parametrize(
    ("now", "precision", "told"),
    [
        (known_by(), "fp32", None),
        (known_by(norms={"w": 3.0 * (1 + 1e-13), "exp_avg.w": 0.5}), "fp32", None),
        (known_by(norms={"w": 3.00001, "exp_avg.w": 0.5}), "fp32", "the norm of w was 3 and is 3.00001"),
        (known_by(norms={"w": float("nan"), "exp_avg.w": 0.5}), "fp32", "the norm of w"),
        (known_by(norms={"w": 3.0}), "fp32", "exp_avg.w is in the checkpoint alone"),
        (known_by(norms={"w": 3.0, "exp_avg.w": 0.5, "v": 1.0}), "fp32", "v is in the model alone"),
        (known_by(loss=7.5 * (1 + 5e-7)), "fp32", None),
        (known_by(loss=7.5 * (1 + 5e-6)), "fp32", "the loss on its probe rows"),
        (known_by(loss=7.5 * (1 + 5e-4)), "bf16", None),
        (known_by(loss=7.5 * (1 + 5e-5), circumstances=ELSEWHERE), "fp32", None),
        (known_by(loss=7.5 * (1 + 5e-4), circumstances=ELSEWHERE), "fp32", "the loss on its probe rows"),
        (known_by(loss=7.5 * (1 + 5e-4), circumstances=ELSEWHERE), "bf16", None),
        (known_by(loss=7.6, circumstances=ELSEWHERE), "bf16", "the loss on its probe rows"),
        (known_by(loss=float("nan"), circumstances=ELSEWHERE), "bf16", "the loss on its probe rows"),
    ],
)
def test_what_differs_is_told(now: dict[str, Any], precision: str, told: str | None) -> None:
    faults = proof.differences(known_by(), now, precision)
    assert len(faults) == (told is not None)
    assert told is None or told in faults[0]


def test_a_norm_sees_the_smallest_change_of_one_number() -> None:
    weights = torch.randn(768, 3072, generator=torch.Generator().manual_seed(0))
    before = proof.norms({"w": weights})
    weights[100, 100] += 1e-3
    assert proof.differences(known_by(norms=before), known_by(norms=proof.norms({"w": weights})), "fp32")


def test_weights_of_another_shape_or_name_are_refused(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    whole = {name: value.detach() for name, value in model.named_parameters()}
    proof.check_fit(whole, model, tmp_path)
    for weights in (
        {**whole, "weight": torch.zeros(2, 4)},
        {**whole, "more": torch.zeros(1)},
        {"weight": whole["weight"]},
    ):
        with pytest.raises(UnverifiedError, match="another model"):
            proof.check_fit(weights, model, tmp_path)
