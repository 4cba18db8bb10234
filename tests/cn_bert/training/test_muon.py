"""Muon and AdamW as one optimizer, beside the two run apart, and what its runs promise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_runs import command, losses, run_command
from torch import nn

from cn_bert.config import ModelSettings, OptimizerSettings
from cn_bert.models import FAMILIES, build_model
from cn_bert.training.optim import build_optimizer

SHAPE = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
SETTINGS = OptimizerSettings(name="muon", weight_decay=0.05, betas=[0.8, 0.9], eps=1e-5)
LAYER = ("query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense")


def model_of(family: str) -> nn.Module:
    torch.manual_seed(7)
    return build_model(ModelSettings(family=family, **SHAPE), 50, 0, dropout=0.0)


def gradients(model: nn.Module, n_steps: int) -> Iterator[list[torch.Tensor]]:
    """Draw the same gradients for every model of a shape."""
    generator = torch.Generator().manual_seed(3)
    for _ in range(n_steps):
        yield [torch.randn(parameter.shape, generator=generator) for parameter in model.parameters()]


def is_of_muon(name: str, parameter: torch.Tensor) -> bool:
    return name.endswith(".weight") and ".layer." in name and parameter.ndim == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_muon_has_the_matrices_of_the_layers_and_adamw_all_else(family: str) -> None:
    model = model_of(family)
    optimizer = build_optimizer(model, SETTINGS)
    of_muon = {id(p) for group in optimizer.param_groups if "momentum" in group for p in group["params"]}
    found = {name for name, parameter in model.named_parameters() if id(parameter) in of_muon}
    assert len(found) == SHAPE["num_hidden_layers"] * len(LAYER)
    assert all(f"{family}.encoder.layer." in name and name.endswith(".weight") for name in found)
    everything = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(everything) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_it_equals_muon_and_adamw_run_apart(family: str) -> None:
    ours, theirs = model_of(family), model_of(family)
    together = build_optimizer(ours, SETTINGS)
    named = dict(theirs.named_parameters())
    hidden = [p for name, p in named.items() if is_of_muon(name, p)]
    rest = [(name, p) for name, p in named.items() if not is_of_muon(name, p)]
    spared = [p for name, p in rest if name.endswith("bias") or "LayerNorm" in name]
    decayed = [p for name, p in rest if not (name.endswith("bias") or "LayerNorm" in name)]
    apart = [
        torch.optim.Muon(hidden, momentum=0.95, nesterov=True, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.05}, {"params": spared, "weight_decay": 0.0}],
            betas=(0.8, 0.9),
            eps=1e-5,
            fused=True,
        ),
    ]
    for step, drawn in enumerate(gradients(ours, 5), start=1):
        for model, optimizers in ((ours, [together]), (theirs, apart)):
            for parameter, gradient in zip(model.parameters(), drawn, strict=True):
                parameter.grad = gradient.clone()
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = 0.01 / step
                optimizer.step()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other), name


def test_a_matrix_moves_by_a_step_of_adamws_size() -> None:
    """Each weight moves by 0.2 of the rate in the mean, whatever the matrix's shape: the size of AdamW's steps."""
    model = model_of("bert")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = build_optimizer(model, OptimizerSettings(name="muon", weight_decay=0.0))
    for group in optimizer.param_groups:
        group["lr"] = 0.01
    for parameter, gradient in zip(model.parameters(), next(gradients(model, 1)), strict=True):
        parameter.grad = gradient
    optimizer.step()
    for name, parameter in model.named_parameters():
        if is_of_muon(name, parameter):
            moved = (parameter.detach() - before[name]).square().mean().sqrt().item()
            assert moved == pytest.approx(0.2 * 0.01, rel=0.3), name


def test_muon_learns_goes_on_bit_equal_and_keeps_its_momentum_by_name(run_here, tmp_path: Path) -> None:
    muon = ("use.schedule=muon", "optimizer.name=muon", "optimizer.peak_lr=0.005", "schedule.warmup_share=0.1")
    whole = run_here(tmp_path / "whole", *muon)
    assert whole[13]["mlm_loss"] < whole[0]["mlm_loss"] - 0.2
    run_here(tmp_path / "parts", *muon, max_steps=9)
    parts = run_here(tmp_path / "parts", *muon)
    assert [(line["step"], line["loss"]) for line in parts] == [(line["step"], line["loss"]) for line in whole]
    kept = load_file(tmp_path / "parts" / "checkpoints" / "step-20" / "moments.safetensors")
    weights = load_file(tmp_path / "parts" / "checkpoints" / "step-20" / "weights.safetensors")
    of_muon = {name for name, weight in weights.items() if is_of_muon(name, weight)}
    expected = {f"momentum_buffer.{name}" for name in of_muon}
    expected |= {f"{moment}.{name}" for moment in ("exp_avg", "exp_avg_sq") for name in weights.keys() - of_muon}
    assert kept.keys() == expected


@pytest.mark.slow
def test_two_ranks_have_the_losses_of_one(shards: Path, tmp_path: Path) -> None:
    """Muon multiplies in bf16, where a gradient's last digit may become the third: so no nearer than 1e-4."""
    changes = ("optimizer.name=muon", "optimizer.peak_lr=0.002")
    logs = []
    for n_ranks in ("1", "2"):
        done = run_command(command(shards, tmp_path / n_ranks, "--nproc", n_ranks, changes=changes))
        assert done.returncode == 0, done.stderr
        logs.append([line["loss"] for line in losses(tmp_path / n_ranks)])
    assert logs[1] == pytest.approx(logs[0], rel=1e-4)
