"""What a run would be, before it does anything: sizes, steps and data, with nothing written.

`pretrain --dry-run` says it, and `estimate` says it with what it has measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cn_bert.config import Loaded, Recipe
from cn_bert.data.mixture import Mixture, open_mixture
from cn_bert.models import build_model
from cn_bert.models.compiled import look_for_compiler
from cn_bert.training.engine import fill_ds_config, read_ds_config
from cn_bert.training.optim import is_hidden_matrix
from cn_bert.training.run_folder import check_folder
from cn_bert.training.stage import Stages

if TYPE_CHECKING:
    from cn_bert.training.run import Request

MIB = 1 << 20
_FP32 = 4
"""Bytes of a weight, and of each number an optimizer or a gradient holds for it."""


@dataclass(frozen=True)
class StageOutlook:
    """A stage as its settings have it."""

    steps: int
    rows: int
    """Of all steps."""
    batch_rows: int
    """Of a step, once it has risen to them."""
    row_tokens: int
    masking: str
    objectives: list[str]
    peak_lr: float

    @property
    def room(self) -> int:
        """Tokens if every row were full."""
        return self.rows * self.row_tokens

    def line(self, number: int, amount: str) -> str:
        """Say it in one line; `amount` says how much text that is."""
        return (
            f"stage {number}     {self.steps:,} steps of {self.batch_rows:,} x {self.row_tokens} tokens: {amount}; "
            f"{self.masking}, {' + '.join(self.objectives)}, peak rate {self.peak_lr:.2e}"
        )


@dataclass(frozen=True)
class Outlook:
    """A run as its recipe, its data and its DeepSpeed file have it."""

    n_parameters: int
    moment_bytes: int
    """Of what the optimizer keeps, over all ranks."""
    documents: int
    held_out_documents: int
    tokens: int
    """Of the documents that are trained on."""
    precision: str
    device: str
    zero_stage: int
    checkpoints_kept: int
    stages: list[StageOutlook]

    @property
    def weight_bytes(self) -> int:
        """Of the weights, and again of their gradients."""
        return _FP32 * self.n_parameters

    @property
    def checkpoint_bytes(self) -> int:
        return self.weight_bytes + self.moment_bytes

    def lines(self) -> list[str]:
        """Say what holds for all stages."""
        state = 2 * self.weight_bytes + self.moment_bytes
        return [
            f"model       {self.n_parameters:,} parameters; weights, gradients and moments {state / MIB:,.0f} MiB",
            f"data        {self.documents:,} documents, {self.tokens:,} tokens; "
            f"{self.held_out_documents:,} documents held out",
            f"precision   {self.precision} on {self.device}, ZeRO stage {self.zero_stage}",
            f"checkpoint  {self.checkpoint_bytes / MIB:,.0f} MiB, {self.checkpoints_kept} kept; export "
            f"{self.weight_bytes / MIB:,.0f} MiB",
        ]


def look_ahead(recipe: Recipe, mixture: Mixture, stages: Stages, zero_stage: int, device: torch.device) -> Outlook:
    """Gather what a filled-in recipe comes to."""
    with torch.device("meta"):
        model = build_model(recipe.model, mixture.vocabulary.size, mixture.vocabulary.pad_id, recipe.dropout)
    with_one_moment = recipe.optimizer.name == "muon"
    moments = (
        p.numel() * (1 if with_one_moment and is_hidden_matrix(name, p) else 2) for name, p in model.named_parameters()
    )
    return Outlook(
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        moment_bytes=_FP32 * sum(moments),
        documents=len(mixture.training_documents),
        held_out_documents=len(mixture.held_out_documents),
        tokens=int(mixture.lengths[mixture.training_documents].sum()),
        precision=recipe.precision,
        device=device.type,
        zero_stage=zero_stage,
        checkpoints_kept=recipe.checkpoint.keep,
        stages=[
            StageOutlook(
                steps=stage.steps,
                rows=stage.rows_of(stage.steps),
                batch_rows=stage.batch_rows,
                row_tokens=stage.row_tokens,
                masking=recipe.stage_masking(stage)["name"],
                objectives=[one.name for one in stages.objectives[number]],
                peak_lr=recipe.peak_lr(stage),
            )
            for number, stage in enumerate(recipe.stages)
        ],
    )


def outlook(loaded: Loaded, request: Request) -> str:
    """Check a run's recipe, data and DeepSpeed file, and describe what it would do.

    Raises:
        UserError: whatever the run itself would refuse before its first step.
    """
    from cn_bert.training.run import PLANS, settle

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipe = settle(loaded.recipe, request, device)
    if recipe.compile:
        look_for_compiler(device)
    mixture = open_mixture([(source.path, source.weight) for source in recipe.data], recipe.held_out)
    zero = fill_ds_config(read_ds_config(request.deepspeed_config), recipe, 1)["zero_optimization"]
    check_folder(request.out, recipe)
    stages = Stages(recipe, mixture, request.out / PLANS, device)
    ahead = look_ahead(recipe, mixture, stages, zero.get("stage", 0), device)
    lines = [
        stage.line(number, f"at most {stage.room:,}, {stage.room / ahead.tokens:,.1f} epochs")
        for number, stage in enumerate(ahead.stages)
    ]
    return "\n".join([*ahead.lines(), *lines, f"would write {request.out}; nothing was written"])
