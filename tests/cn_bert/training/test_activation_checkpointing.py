"""Layers computed again in the backward pass: less is kept, and every number stays."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from small_runs import SMALL
from torch.autograd.graph import saved_tensors_hooks

from cn_bert.config import load_recipe
from cn_bert.data.batches import StepBatch
from cn_bert.data.mixture import open_mixture
from cn_bert.models import build_model, checkpoint_activations
from cn_bert.training.engine import Ranks
from cn_bert.training.module import PretrainingModule
from cn_bert.training.run_folder import fill_recipe
from cn_bert.training.stage import Stages

Gradients = dict[str, torch.Tensor]


def train_once(
    shards: Path, folder: Path, *changes: str, again: bool, compute: torch.dtype
) -> tuple[float, Gradients, int]:
    """Return the loss and the gradients of a step's first micro-batch, and how many values were kept for them."""
    recipe = fill_recipe(load_recipe("ernie" if "ernie" in changes else "bert_wwm", [*SMALL, *changes[1:]]).recipe)
    mixture = open_mixture([(str(shards), 1.0)], recipe.held_out)
    stage = Stages(recipe, mixture, folder, torch.device("cpu"))[0]
    batch: StepBatch = next(iter(stage.batches(0, 1, Ranks(0, 1, torch.device("cpu")))))
    torch.manual_seed(recipe.seed)
    model = build_model(recipe.model, mixture.vocabulary.size, mixture.vocabulary.pad_id, recipe.dropout)
    if again:
        checkpoint_activations(model)
    module = PretrainingModule(model, compute).train()
    n_kept = 0

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal n_kept
        n_kept += tensor.numel()
        return tensor

    torch.manual_seed(1)
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss, _ = module(batch.micro_batches[0], stage.objectives, {one.name: 1.0 for one in stage.objectives})
    loss.backward()
    return loss.item(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}, n_kept


@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("recipe", ["bert_wwm", "ernie"])
def test_loss_and_gradients_are_bit_equal(
    shards: Path, tmp_path: Path, recipe: str, dropout: float, compute: torch.dtype
) -> None:
    plain, again = (
        train_once(shards, tmp_path, recipe, f"dropout={dropout}", again=on, compute=compute) for on in (False, True)
    )
    assert again[0] == plain[0]
    assert again[1].keys() == plain[1].keys()
    assert all(torch.equal(again[1][name], gradient) for name, gradient in plain[1].items())


def test_less_is_kept_for_the_backward_pass(shards: Path, tmp_path: Path) -> None:
    deep = ("bert_wwm", "model.num_hidden_layers=6", "objectives=[{name: nsp}]")
    kept = [train_once(shards, tmp_path, *deep, again=on, compute=torch.float32)[2] for on in (False, True)]
    assert kept[1] < kept[0] / 3


def test_the_older_name_of_transformers_does_as_well() -> None:
    asked: list[dict[str, bool]] = []
    checkpoint_activations(SimpleNamespace(gradient_checkpointing_enable=asked.append))
    assert asked == [{"use_reentrant": False}]


def test_a_run_has_the_same_losses_and_may_begin_or_end_it_on_a_resume(run_here, tmp_path: Path) -> None:
    dropout = "dropout=0.1"
    whole = run_here(tmp_path / "whole", dropout)
    run_here(tmp_path / "parts", dropout, "activation_checkpointing=true", max_steps=9)
    parts = run_here(tmp_path / "parts", dropout)
    assert [(line["step"], line["loss"]) for line in parts] == [(line["step"], line["loss"]) for line in whole]
