"""Settings of a stage: steps of one shape, what they predict, and what of them moves from step to step."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from cn_bert.settings import Settings


class ObjectiveSettings(Settings):
    """A loss and its weight in the sum."""

    name: str
    weight: Annotated[float, Field(gt=0)] = 1.0


def differ(objectives: list[ObjectiveSettings] | None) -> list[ObjectiveSettings] | None:
    """Refuse an objective that stands twice."""
    if objectives and len({objective.name for objective in objectives}) < len(objectives):
        raise ValueError("an objective stands twice")
    return objectives


class BatchRamp(Settings):
    """Rows of a step that rise in a straight line at a stage's beginning. The learning rate does not follow them."""

    start_rows: Annotated[int, Field(ge=1)]
    """Rows of the stage's first step."""
    steps: Annotated[int, Field(ge=2)]
    """The step that is the first with all `batch_rows`, counted from 1."""


class MaskRate(Settings):
    """A masking rate that moves in a straight line over a stage's steps."""

    start: float
    """Rate of the stage's first step."""
    end: float
    """Rate of its last."""


class StageSettings(Settings):
    """Steps of one shape. A step is `batch_rows` rows of `row_tokens` over all ranks."""

    steps: Annotated[int, Field(ge=1)]
    row_tokens: Annotated[int, Field(ge=8)]
    batch_rows: Annotated[int, Field(ge=1)]
    masking: dict[str, Any] | None = None
    """None: the recipe's; a name is looked up under configs/masking."""
    objectives: list[ObjectiveSettings] | None = None
    """None: the recipe's."""
    batch_ramp: BatchRamp | None = None
    """None: every step has `batch_rows`."""
    mask_rate: MaskRate | None = None
    """None: the masking's own rate. Held-out text is always masked at the masking's own."""

    _objectives_differ = field_validator("objectives")(differ)

    @model_validator(mode="after")
    def _ramp_fits(self) -> StageSettings:
        if self.batch_ramp is None:
            return self
        if self.batch_ramp.start_rows > self.batch_rows:
            raise ValueError(f"batch_ramp.start_rows {self.batch_ramp.start_rows} is more than {self.batch_rows} rows")
        if self.batch_ramp.steps > self.steps:
            raise ValueError(f"batch_ramp.steps {self.batch_ramp.steps} is more than the stage's {self.steps} steps")
        return self

    @property
    def rising_rows(self) -> list[int]:
        """List the rows of the ramp's steps, whole and never falling: halves round up. Empty where there is no ramp."""
        if self.batch_ramp is None:
            return []
        start, last = self.batch_ramp.start_rows, self.batch_ramp.steps - 1
        rise = self.batch_rows - start
        return [start + (2 * rise * step + last) // (2 * last) for step in range(last + 1)]

    def rows_of(self, n_steps: int) -> int:
        """Return the rows of the stage's first steps."""
        rising = self.rising_rows
        return sum(rising[:n_steps]) + max(n_steps - len(rising), 0) * self.batch_rows

    def rate_at(self, step: int) -> float | None:
        """Return the masking rate of a step of the stage, counted from 0; None: the masking's own.

        In whole thousandths, so that what a page or a person writes down is what was drawn with.
        """
        if self.mask_rate is None:
            return None
        done = step / max(self.steps - 1, 1)
        return round(self.mask_rate.start + (self.mask_rate.end - self.mask_rate.start) * done, 3)
