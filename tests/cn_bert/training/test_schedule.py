"""The learning rate and the stage of each step, worked out by hand and by counting."""

from __future__ import annotations

import pytest

from cn_bert.config import Recipe, load_recipe
from cn_bert.training.schedule import learning_rate, stage_of, warmup_steps

STEPS = (6, 4)


def recipe(*changes: str) -> Recipe:
    sizes = ["stages.0.steps=6", "stages.1.steps=4", "optimizer.name=adamw", "optimizer.peak_lr=1.0"]
    return load_recipe("bert_wwm", [*sizes, *changes]).recipe


@pytest.mark.parametrize(
    ("changes", "rates"),
    [
        (("schedule.warmup_steps=0",), [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        (("schedule.warmup_steps=1",), [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        (("schedule.warmup_steps=4",), [1 / 4, 2 / 4, 3 / 4, 1, 6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7]),
        (("schedule.warmup_steps=10",), [number / 10 for number in range(1, 11)]),
        (("schedule.warmup_steps=20",), [number / 20 for number in range(1, 11)]),
        (("schedule.warmup_steps=2", "schedule.decay=constant"), [0.5, *[1] * 9]),
        (("schedule.warmup_steps=0", "schedule.decay=constant"), [1] * 10),
    ],
)
def test_the_rate_of_every_step_by_hand(changes: tuple[str, ...], rates: list[float]) -> None:
    made = recipe(*changes)
    assert [learning_rate(made, step) for step in range(1, 11)] == pytest.approx(rates)


def test_a_share_of_the_run_is_rounded_to_steps() -> None:
    assert warmup_steps(recipe("schedule.warmup_share=0.26")) == 3
    assert warmup_steps(recipe("schedule.warmup_share=0.0")) == 0
    assert warmup_steps(recipe("schedule.warmup_share=0.26", "schedule.warmup_steps=1")) == 1


def test_bert_wwm_has_a_peak_for_each_stage_and_one_shape_over_the_run() -> None:
    made = load_recipe("bert_wwm").recipe
    peaks = [1.25e-3 * (rows / 2048) ** 0.5 for rows in (2560, 384)]
    assert warmup_steps(made) == 2500
    assert learning_rate(made, 1) == pytest.approx(peaks[0] / 2500)
    assert learning_rate(made, 2500) == pytest.approx(peaks[0])
    assert learning_rate(made, 100_000) == pytest.approx(peaks[0] * 100_001 / 197_501)
    assert learning_rate(made, 100_001) == pytest.approx(peaks[1] * 100_000 / 197_501)
    assert learning_rate(made, 200_000) == pytest.approx(peaks[1] / 197_501)


def test_the_stage_of_a_step_is_found_by_counting() -> None:
    made = load_recipe("ernie", [f"stages.{number}.steps={n}" for number, n in enumerate((3, 1, 5))]).recipe
    counted = [(stage, within) for stage, n in enumerate((3, 1, 5)) for within in range(n)]
    assert [stage_of(made, step) for step in range(1, 10)] == counted
    with pytest.raises(IndexError, match="step 10 of a run of 9"):
        stage_of(made, 10)
