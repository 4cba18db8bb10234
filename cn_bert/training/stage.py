"""A stage made ready: its rows, its masks and its objectives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from cn_bert.config import Recipe
from cn_bert.data.batches import StepBatch, StepData, held_out_batches
from cn_bert.data.mixture import Mixture
from cn_bert.data.sequences import build_sequences
from cn_bert.data.sequences.kind import SequenceKind
from cn_bert.data.steps import Plans, Steps
from cn_bert.micro_batch import MicroBatch, Shape
from cn_bert.objectives import Objective, build_objectives
from cn_bert.stage_settings import StageSettings
from cn_bert.training.engine import Ranks
from corpus_tools.errors import SettingsError
from corpus_tools.masking import Masker, build_masker, build_masking

MICRO_TOKENS: Final = {"cpu": 4096, "cuda": 32768}
"""Tokens a rank computes at once where micro_rows is auto."""


@dataclass(frozen=True)
class Stage:
    """Everything a step of one stage needs."""

    settings: StageSettings
    mixture: Mixture
    kind: SequenceKind
    steps: Steps
    masking: Mapping[str, Any]
    """Settings of `masker`."""
    masker: Masker
    """Masks held-out text, whatever the step."""
    objectives: list[Objective]
    micro_rows: int
    plans_folder: Path
    compiled: bool = False
    """Whether the layers that train are, and want micro-batches of one form."""

    def shape(self, ranks: Ranks) -> Shape | None:
        """Return what a rank's micro-batches are filled up to; None where layers take them as they come.

        A full step's rows are dealt out evenly among as many micro-batches as `micro_rows` asks for, so that the last
        one is not filled up more than the others.
        """
        if not self.compiled:
            return None
        rows = -(-self.settings.batch_rows // ranks.world)
        return Shape(-(-rows // -(-rows // self.micro_rows)), self.settings.row_tokens)

    def batches(self, first: int, last: int, ranks: Ranks) -> Iterator[StepBatch]:
        """Yield this rank's batches of the stage's steps [first, last), prepared ahead."""
        shape = self.shape(ranks)
        data = StepData(
            self.mixture,
            self.steps,
            self.masker_of,
            micro_rows=shape.rows if shape else self.micro_rows,
            rank=ranks.rank,
            world=ranks.world,
            shape=shape,
            pinned=ranks.device.type == "cuda",
        )
        return data.iterate(first, last)

    def masker_of(self, step: int) -> Masker:
        """Return what masks a step of the stage, counted from 0."""
        rate = self.settings.rate_at(step)
        if rate is None:
            return self.masker
        return replace(self.masker, masking=build_masking({**self.masking, "rate": rate}))

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


class Stages:
    """A run's stages, each made when it is first asked for: to know where a later one begins, the epochs before it
    have to be planned, and planning them all before the first step could take hours.

    Args:
        recipe: filled in.
        mixture: the documents.
        folder: where plans are kept.
        device: what the run computes on, for the size of a micro-batch.

    Raises:
        SettingsError: a stage's objectives and sequences do not go together.
    """

    def __init__(self, recipe: Recipe, mixture: Mixture, folder: Path, device: torch.device) -> None:
        self._recipe = recipe
        self._mixture = mixture
        self._folder = folder
        self._device = device
        self._kind = build_sequences(recipe.sequences)
        self.objectives = [build_objectives(recipe.stage_objectives(settings)) for settings in recipe.stages]
        for objectives in self.objectives:
            _check_labels(self._kind, objectives, recipe)
        self._made: dict[int, Stage] = {}

    def __getitem__(self, number: int) -> Stage:
        """Return a stage; it begins the epoch after the last one its predecessor touches."""
        if number not in self._made:
            first_epoch = 0
            if number:
                before = self[number - 1]
                first_epoch = before.steps.first_epoch + before.steps.epochs_used(before.settings.steps)
            self._made[number] = self._make(number, first_epoch)
        return self._made[number]

    def alone(self, number: int) -> Stage:
        """Return a stage as if no other came before it: its rows and masks, not its place in the run's data."""
        return self._make(number, 0)

    def _make(self, number: int, first_epoch: int) -> Stage:
        recipe, settings = self._recipe, self._recipe.stages[number]
        masking = recipe.stage_masking(settings)
        plans = Plans(self._mixture, self._kind, seed=recipe.seed, row_tokens=settings.row_tokens, folder=self._folder)
        return Stage(
            settings,
            self._mixture,
            self._kind,
            Steps(plans, batch_rows=settings.batch_rows, rising=settings.rising_rows, first_epoch=first_epoch),
            masking,
            build_masker(masking, self._mixture.vocabulary),
            self.objectives[number],
            micro_rows(recipe, settings, self._device),
            self._folder,
            recipe.compile,
        )


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
