"""The learning rate of each step of a run."""

from __future__ import annotations

import math
from typing import Final

from cn_bert.config import Recipe

WSD_SHARE: Final = 0.1
"""Share of the run that wsd falls over where the recipe names none: enough in the paper that named the schedule
(MiniCPM, arXiv:2404.06395), whose own fall is exponential."""


def warmup_steps(recipe: Recipe) -> int:
    """Return how many steps the rate rises over."""
    if recipe.schedule.warmup_steps is not None:
        return recipe.schedule.warmup_steps
    return round(recipe.schedule.warmup_share * recipe.total_steps)


def falling_steps(recipe: Recipe) -> int:
    """Return how many of the run's last steps have a falling rate."""
    total, schedule = recipe.total_steps, recipe.schedule
    if schedule.decay == "constant":
        return 0
    if schedule.decay == "wsd":
        return round((schedule.decay_share or WSD_SHARE) * total)
    return max(0, total - max(warmup_steps(recipe), 1))


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate of the update that makes step `step` (1 is the run's first).

    It rises in a straight line to the stage's peak, stays there, and falls: in a straight line (linear, wsd) or half a
    wave (cosine). What falls meets 0 one step after the run's last, so no step is made in vain. A stage changes the
    peak, never the shape.
    """
    rise = min(1.0, step / max(warmup_steps(recipe), 1))
    fall = min(1.0, (recipe.total_steps + 1 - step) / (falling_steps(recipe) + 1))
    if recipe.schedule.decay == "cosine":
        fall = (1 - math.cos(math.pi * fall)) / 2
    return recipe.peak_lr(recipe.stages[stage_of(recipe, step)[0]]) * min(rise, fall)


def stage_of(recipe: Recipe, step: int) -> tuple[int, int]:
    """Return the stage of step `step` (1 is the run's first) and the step's number in it, from 0.

    Raises:
        IndexError: the run has no such step.
    """
    left = step - 1
    for number, stage in enumerate(recipe.stages):
        if left < stage.steps:
            return number, left
        left -= stage.steps
    raise IndexError(f"step {step} of a run of {recipe.total_steps}")
