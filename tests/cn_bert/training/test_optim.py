"""Optimizers beside their twins, weight decay where it belongs, and DeepSpeed files that would contradict a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cn_bert.config import ModelSettings, OptimizerSettings, Recipe, load_recipe
from cn_bert.models import FAMILIES, build_model
from cn_bert.training.engine import fill_ds_config, read_ds_config
from cn_bert.training.optim import Lamb, build_optimizer
from corpus_tools.errors import MissingInputError, SettingsError

SHAPE = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
RATE, BETAS, EPS = 0.02, (0.9, 0.99), 1e-6


def lamb_in_numpy(start: np.ndarray, gradients: list[np.ndarray], weight_decay: float) -> np.ndarray:
    """Algorithm 2 of arXiv:1904.00962, a line a line, in float64."""
    x, m, v = start.astype(np.float64), 0.0, 0.0
    for t, g in enumerate(gradients, start=1):
        g = g.astype(np.float64)
        m = BETAS[0] * m + (1 - BETAS[0]) * g
        v = BETAS[1] * v + (1 - BETAS[1]) * g**2
        r = (m / (1 - BETAS[0] ** t)) / (np.sqrt(v / (1 - BETAS[1] ** t)) + EPS)
        u = r + weight_decay * x
        ratio = 1.0
        if weight_decay and np.linalg.norm(x) > 0 and np.linalg.norm(u) > 0:
            ratio = np.linalg.norm(x) / np.linalg.norm(u)
        x = x - RATE * ratio * u
    return x


@pytest.mark.parametrize("weight_decay", [0.0, 0.01, 0.3])
@pytest.mark.parametrize(("shape", "scale"), [((7,), 1.0), ((5, 3), 1.0), ((2, 3, 4), 30.0), ((4, 4), 0.0)])
def test_lamb_is_algorithm_2_of_its_paper(shape: tuple[int, ...], scale: float, weight_decay: float) -> None:
    draw = np.random.default_rng(len(shape))
    start = (scale * draw.standard_normal(shape)).astype(np.float32)
    gradients = [draw.standard_normal(shape).astype(np.float32) for _ in range(20)]
    parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = Lamb([{"params": [parameter], "weight_decay": weight_decay}], lr=RATE, betas=BETAS, eps=EPS)

    for gradient in gradients:
        parameter.grad = torch.from_numpy(gradient.copy())
        optimizer.step()

    expected = lamb_in_numpy(start, gradients, weight_decay)
    np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_lamb_has_a_ratio_for_each_parameter_and_none_over_the_group() -> None:
    """Ten times the weights take ten times the step, whatever stands beside them in the group."""
    small = torch.full((3, 3), 0.1)
    parameters = [torch.nn.Parameter(small.clone()), torch.nn.Parameter(10 * small)]
    optimizer = Lamb([{"params": parameters, "weight_decay": 1e-6}], lr=RATE, betas=BETAS, eps=EPS)
    for parameter in parameters:
        parameter.grad = torch.ones(3, 3)
    optimizer.step()
    moved = [float((before - now.detach()).norm()) for before, now in zip([small, 10 * small], parameters, strict=True)]
    assert moved[1] / moved[0] == pytest.approx(10, rel=1e-4)
    assert moved[0] / float(small.norm()) == pytest.approx(RATE, rel=1e-4)


def test_a_parameter_without_gradient_stays() -> None:
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = Lamb([{"params": [parameter], "weight_decay": 0.1}], lr=RATE, betas=BETAS, eps=EPS)
    optimizer.step()
    assert torch.equal(parameter, torch.ones(2, 2))
    assert not optimizer.state


@pytest.mark.parametrize("name", ["adamw", "lamb", "muon"])
@pytest.mark.parametrize("family", FAMILIES)
def test_biases_and_layer_norms_are_not_decayed(family: str, name: str) -> None:
    model = build_model(ModelSettings(family=family, **SHAPE), 50, 0, dropout=0.0)
    optimizer = build_optimizer(model, OptimizerSettings(name=name, weight_decay=0.25, betas=[0.8, 0.9], eps=1e-5))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for parameter_name, parameter in model.named_parameters():
        spared = parameter_name.endswith("bias") or "LayerNorm" in parameter_name
        assert decay.pop(id(parameter)) == (0.0 if spared else 0.25), parameter_name
    assert not decay
    of_adam = [group for group in optimizer.param_groups if "betas" in group]
    assert {(*group["betas"], group["eps"]) for group in of_adam} == {(0.8, 0.9, 1e-5)}


def recipe(*changes: str) -> Recipe:
    return load_recipe("bert_wwm", ["optimizer.name=adamw", *changes]).recipe


def test_the_shipped_file_is_filled_from_the_recipe() -> None:
    filled = fill_ds_config(read_ds_config(None), recipe("optimizer.gradient_clipping=0.5"), world=3)
    assert filled["gradient_clipping"] == 0.5
    assert (filled["train_batch_size"], filled["train_micro_batch_size_per_gpu"]) == (3, 1)
    assert filled["zero_optimization"]["stage"] == 0
    assert "auto" not in json.dumps(filled)


@pytest.mark.parametrize("name", ["lamb", "muon"])
@pytest.mark.parametrize("stage", [1, 2])
def test_what_needs_real_shapes_is_refused_where_it_would_see_one_flat_tensor(stage: int, name: str) -> None:
    given = {"zero_optimization": {"stage": stage}}
    with pytest.raises(SettingsError, match=f"{name} needs each parameter in its own shape, and ZeRO stage {stage}"):
        fill_ds_config(given, recipe(f"optimizer.name={name}"), 1)
    assert fill_ds_config(given, recipe(), 1)["zero_optimization"] == {"stage": stage}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"zero_optimization": {"stage": 3}}, "stage 3 is not supported"),
        ({"zero_optimization": {"stage": "auto"}}, "stage auto is not supported"),
        ({"zero_optimization": True}, "zero_optimization is True, expected an object"),
        ({"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}}}, "offload_optimizer"),
        ({"zero_optimization": {"stage": 2, "offload_param": {"device": "nvme"}}}, "offload_param"),
        ({"optimizer": {"type": "Lamb"}}, "'optimizer' is decided by the recipe's optimizer"),
        ({"scheduler": {"type": "WarmupLR"}}, "'scheduler' is decided by the recipe's schedule"),
        ({"fp16": {"enabled": True}}, "'fp16' is decided by the recipe's precision"),
        ({"bf16": {"enabled": True}}, "'bf16' is decided by the recipe's precision"),
        ({"torch_autocast": {"enabled": True}}, "'torch_autocast' is decided by the recipe's precision"),
        (
            {"activation_checkpointing": {"cpu_checkpointing": True}},
            "'activation_checkpointing' is decided by the recipe's activation_checkpointing",
        ),
        ({"data_types": {"grad_accum_dtype": "bf16"}}, "'data_types' is decided by the recipe's precision"),
        ({"communication_data_type": "bf16"}, "'communication_data_type' is decided by the recipe's precision"),
        ({"curriculum_learning": {"enabled": True}}, "'curriculum_learning' is decided by the recipe's stages"),
        ({"managed_gradient_accumulation": False}, "is decided by the recipe's micro_rows"),
        ({"gradient_allreduce_op": "sum"}, "'gradient_allreduce_op' is decided by the recipe's objectives"),
        ({"zero_optimization": {"stage": 1, "cpu_offload": True}}, "zero_optimization.cpu_offload is not supported"),
        ({"zero_optimization": {"stage": 1, "compute_grad_norm": False}}, "optimizer.gradient_clipping 1 needs that"),
        ({"gradient_clipping": 0.7}, "is 0.7, the recipe makes it 1.0: its optimizer.gradient_clipping says so"),
        ({"gradient_accumulation_steps": 4}, "is 4, the recipe makes it 1: its stages.N.batch_rows and micro_rows"),
        ({"train_micro_batch_size_per_gpu": 32}, "is 32, the recipe makes it 1: its micro_rows"),
        ({"train_batch_size": 256}, "train_batch_size is 256, the recipe makes it 1: its stages.N.batch_rows"),
        ({"wall_clock_breakdown": "auto"}, 'no recipe setting fills "auto" at wall_clock_breakdown'),
        ({"zero_optimization": {"stage": 1, "reduce_bucket_size": "auto"}}, "at zero_optimization.reduce_bucket_size"),
    ],
)
def test_a_deepspeed_file_that_contradicts_the_recipe_is_refused(given: dict, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        fill_ds_config(given, recipe(), 1)
    assert message in str(caught.value)


def test_a_deepspeed_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"none\.json"):
        read_ds_config(str(tmp_path / "none.json"))
    for text, message in (("{", "not JSON"), ("[]", "expected a JSON object")):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(SettingsError, match=message):
            read_ds_config(str(tmp_path / "bad.json"))


def test_lamb_learns_and_goes_on_bit_equal(run_here, tmp_path: Path) -> None:
    lamb = ("optimizer.name=lamb", "optimizer.peak_lr=0.02", "schedule.warmup_share=0.1")
    whole = run_here(tmp_path / "whole", *lamb)
    assert whole[13]["mlm_loss"] < whole[0]["mlm_loss"] - 0.2
    run_here(tmp_path / "parts", *lamb, max_steps=9)
    parts = run_here(tmp_path / "parts", *lamb)
    assert [(line["step"], line["loss"]) for line in parts] == [(line["step"], line["loss"]) for line in whole]
