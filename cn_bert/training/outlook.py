"""What a run would do, before it does anything: sizes, steps and data, with nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cn_bert.config import Loaded
from cn_bert.data.mixture import open_mixture
from cn_bert.models import build_model
from cn_bert.training.engine import fill_ds_config, read_ds_config
from cn_bert.training.run_folder import check_folder
from cn_bert.training.stage import Stages

if TYPE_CHECKING:
    from cn_bert.training.run import Request

MIB = 1 << 20


def outlook(loaded: Loaded, request: Request) -> str:
    """Check a run's recipe, data and DeepSpeed file, and describe what it would do.

    Raises:
        UserError: whatever the run itself would refuse before its first step.
    """
    from cn_bert.training.run import PLANS, settle

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipe = settle(loaded.recipe, request, device)
    mixture = open_mixture([(source.path, source.weight) for source in recipe.data], recipe.held_out)
    zero = fill_ds_config(read_ds_config(request.deepspeed_config), recipe, 1)["zero_optimization"].get("stage", 0)
    check_folder(request.out, recipe)
    stages = Stages(recipe, mixture, request.out / PLANS, device)
    with torch.device("meta"):
        model = build_model(recipe.model, mixture.vocabulary.size, mixture.vocabulary.pad_id, recipe.dropout)
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    tokens = int(mixture.lengths[mixture.training_documents].sum())
    lines = [
        f"model       {n_parameters:,} parameters; weights, gradients and moments {16 * n_parameters / MIB:,.0f} MiB",
        f"data        {len(mixture.training_documents):,} documents, {tokens:,} tokens; "
        f"{len(mixture.held_out_documents):,} documents held out",
        f"precision   {recipe.precision} on {device.type}, ZeRO stage {zero}",
        f"checkpoint  {12 * n_parameters / MIB:,.0f} MiB, {recipe.checkpoint.keep} kept",
    ]
    for number, stage in enumerate(recipe.stages):
        seen = stage.steps * stage.batch_rows * stage.row_tokens
        objectives = " + ".join(one.name for one in stages.objectives[number])
        lines.append(
            f"stage {number}     {stage.steps:,} steps of {stage.batch_rows:,} x {stage.row_tokens} tokens: at most "
            f"{seen:,}, {seen / tokens:,.1f} epochs; {recipe.stage_masking(stage)['name']}, {objectives}, "
            f"peak rate {recipe.peak_lr(stage):.2e}"
        )
    return "\n".join([*lines, f"would write {request.out}; nothing was written"])
