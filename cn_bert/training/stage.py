"""A stage made ready: its rows, its masks and its objectives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from cn_bert.config import Recipe, StageSettings
from cn_bert.data.batches import StepBatch, StepData, held_out_batches
from cn_bert.data.mixture import Mixture
from cn_bert.data.sequences import build_sequences
from cn_bert.data.sequences.kind import SequenceKind
from cn_bert.data.steps import Plans, Steps
from cn_bert.micro_batch import MicroBatch
from cn_bert.objectives import Objective, build_objectives
from cn_bert.training.engine import Ranks
from corpus_tools.errors import SettingsError
from corpus_tools.masking import Masker, build_masker

MICRO_TOKENS: Final = {"cpu": 4096, "cuda": 32768}
"""Tokens a rank computes at once where micro_rows is auto."""


@dataclass(frozen=True)
class Stage:
    """Everything a step of one stage needs."""

    settings: StageSettings
    mixture: Mixture
    kind: SequenceKind
    steps: Steps
    masker: Masker
    objectives: list[Objective]
    micro_rows: int
    plans_folder: Path

    def batches(self, first: int, last: int, ranks: Ranks) -> Iterator[StepBatch]:
        """Yield this rank's batches of the stage's steps [first, last), prepared ahead."""
        data = StepData(
            self.mixture,
            self.steps,
            self.masker,
            micro_rows=self.micro_rows,
            rank=ranks.rank,
            world=ranks.world,
        )
        return data.iterate(first, last)

    def held_out(self, max_rows: int, ranks: Ranks) -> Iterator[MicroBatch]:
        """Yield this rank's held-out rows, the same ones every time."""
        return held_out_batches(
            self.mixture,
            self.kind,
            self.masker,
            row_tokens=self.settings.row_tokens,
            max_rows=max_rows,
            micro_rows=self.micro_rows,
            folder=self.plans_folder,
            rank=ranks.rank,
            world=ranks.world,
        )


def make_stages(recipe: Recipe, mixture: Mixture, folder: Path, device: torch.device) -> Iterator[Stage]:
    """Make a run's stages one after the other; each begins the epoch after the last one its predecessor touched.

    Args:
        recipe: filled in.
        mixture: the documents.
        folder: where plans are kept.
        device: what the run computes on, for the size of a micro-batch.

    Raises:
        SettingsError: the stage's objectives and sequences do not go together.
    """
    first_epoch = 0
    for settings in recipe.stages:
        kind = build_sequences(recipe.sequences)
        objectives = build_objectives(recipe.stage_objectives(settings))
        _check_labels(kind, objectives, recipe)
        plans = Plans(mixture, kind, seed=recipe.seed, row_tokens=settings.row_tokens, folder=folder)
        steps = Steps(plans, batch_rows=settings.batch_rows, first_epoch=first_epoch)
        yield Stage(
            settings,
            mixture,
            kind,
            steps,
            build_masker(recipe.stage_masking(settings), mixture.vocabulary),
            objectives,
            micro_rows(recipe, settings, device),
            folder,
        )
        first_epoch += steps.epochs_used(settings.steps)


def micro_rows(recipe: Recipe, settings: StageSettings, device: torch.device) -> int:
    """Return how many rows a rank computes at once."""
    if recipe.micro_rows != "auto":
        return recipe.micro_rows
    return max(1, MICRO_TOKENS[device.type] // settings.row_tokens)


def _check_labels(kind: SequenceKind, objectives: list[Objective], recipe: Recipe) -> None:
    for objective in objectives:
        if objective.counts == "pair" and not kind.labelled:
            raise SettingsError(
                f"objectives: '{objective.name}' needs labelled pairs, and sequences '{recipe.sequences['name']}' have "
                "none. Use --set sequences=nsp_pairs, or leave the objective out"
            )
