"""How fast a run goes: tokens a second, the share of the machine's peak, and the time that is left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

from cn_bert.config import Recipe
from cn_bert.data.batches import StepBatch
from cn_bert.objectives import Objective
from cn_bert.training.engine import Ranks
from cn_bert.training.flops import ModelFlops
from cn_bert.training.machine import name_device
from cn_bert.training.peak import find_peak


class Meter:
    """Adds up what the steps between two reports came to.

    Args:
        recipe: filled in.
        vocabulary_size: entries of the vocabulary.
        ranks: this process among all.
    """

    def __init__(self, recipe: Recipe, vocabulary_size: int, ranks: Ranks) -> None:
        self._recipe = recipe
        self._ranks = ranks
        self._flops = ModelFlops.of(recipe.model, vocabulary_size)
        self.peak = find_peak(ranks.device, recipe.precision)
        """Of this rank's device. Ranks measure at the same time, as they compute at the same time."""
        self._peak_of_all = float(ranks.sum(torch.tensor(self.peak.flops, dtype=torch.float64, device=ranks.device)))
        self.restart()

    def restart(self) -> None:
        """Count from now on: what lay between, such as an evaluation, is no training."""
        self._since = time.perf_counter()
        self._n_tokens = 0
        self._n_flops = 0

    def add(self, batch: StepBatch, objectives: Sequence[Objective], tokens: int) -> None:
        """Count a step: this rank's share of it, and the real tokens of all ranks."""
        self._n_flops += self._flops.training(batch.micro_batches, objectives)
        self._n_tokens += tokens

    def read(self) -> dict[str, float]:
        """Return `tokens_per_second` and `mfu`, the share of the peak of all ranks, and count anew. All ranks call."""
        flops = self._ranks.sum(torch.tensor(float(self._n_flops), dtype=torch.float64, device=self._ranks.device))
        seconds = time.perf_counter() - self._since
        found = {
            "tokens_per_second": round(self._n_tokens / seconds, 1),
            "mfu": round(float(flops) / seconds / self._peak_of_all, 4),
        }
        self.restart()
        return found

    def seconds_left(self, step: int, last: int, tokens: int, tokens_per_second: float) -> float:
        """Say how long steps (step, last] will take if their rows are as full as those so far.

        Args:
            step: optimizer steps done.
            last: the step to stop after.
            tokens: real tokens of all steps so far.
            tokens_per_second: as it goes now.
        """
        fill = tokens / room(self._recipe, 0, step)
        return fill * room(self._recipe, step, last) / tokens_per_second

    def about(self) -> dict[str, Any]:
        """Say what machine the figures belong to, for the log."""
        return {
            "machine": name_device(self._ranks.device),
            "ranks": self._ranks.world,
            "precision": self._recipe.precision,
            "peak_flops": self._peak_of_all,
            "peak_measured": self.peak.measured,
        }


def room(recipe: Recipe, first: int, last: int) -> int:
    """Return how many tokens the rows of steps (first, last] have room for."""
    total = begin = 0
    for stage in recipe.stages:
        end = begin + stage.steps
        if first < end and begin < last:
            n_rows = stage.rows_of(min(last, end) - begin) - stage.rows_of(max(first, begin) - begin)
            total += n_rows * stage.row_tokens
        begin = end
    return total
