"""The learning rate of each step of a run."""

from __future__ import annotations

from cn_bert.config import Recipe


def warmup_steps(recipe: Recipe) -> int:
    """Return how many steps the rate rises over."""
    if recipe.schedule.warmup_steps is not None:
        return recipe.schedule.warmup_steps
    return round(recipe.schedule.warmup_share * recipe.total_steps)


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate of the update that makes step `step` (1 is the run's first).

    It rises in a straight line to the stage's peak, then stays (constant) or falls in a straight line (linear) that
    meets 0 one step after the run's last, so no step is made in vain. A stage changes the peak, never the shape.
    """
    warmup, total = warmup_steps(recipe), recipe.total_steps
    if step <= warmup:
        share = step / warmup
    elif recipe.schedule.decay == "linear":
        share = max(0.0, (total + 1 - step) / (total + 1 - max(warmup, 1)))
    else:
        share = 1.0
    return recipe.peak_lr(recipe.stages[stage_of(recipe, step)[0]]) * share


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
