"""The learning rate and the stage of each step, worked out by hand and by counting."""

from __future__ import annotations

import math

import pytest

from cn_bert.config import Recipe, load_recipe
from cn_bert.training.schedule import falling_steps, learning_rate, stage_of, warmup_steps
from corpus_tools.errors import SettingsError


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
        (("schedule.warmup_steps=2", "schedule.decay=wsd"), [1 / 2, *[1] * 8, 1 / 2]),
        (
            ("schedule.warmup_steps=2", "schedule.decay=wsd", "schedule.decay_share=0.3"),
            [1 / 2, *[1] * 6, 3 / 4, 2 / 4, 1 / 4],
        ),
        (("schedule.warmup_steps=0", "schedule.decay=wsd", "schedule.decay_share=0.01"), [1] * 10),
        (
            ("schedule.warmup_steps=8", "schedule.decay=wsd", "schedule.decay_share=0.5"),
            [1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8, 4 / 6, 3 / 6, 2 / 6, 1 / 6],
        ),
    ],
)
def test_the_rate_of_every_step_by_hand(changes: tuple[str, ...], rates: list[float]) -> None:
    made = recipe(*changes)
    assert [learning_rate(made, step) for step in range(1, 11)] == pytest.approx(rates)


def rate_by_the_book(decay: str, step: int, warmup: int, total: int, share: float) -> float:
    """A rise to 1 at the last step of warm-up, then a fall from there, or from where wsd ends its stable part, to 0."""
    if step <= warmup:
        return step / warmup
    if decay == "constant":
        return 1.0
    top = total - round(share * total) if decay == "wsd" else max(warmup, 1)
    if step <= top:
        return 1.0
    done = (step - top) / (total + 1 - top)
    return 0.5 * (1 + math.cos(math.pi * done)) if decay == "cosine" else 1 - done


@pytest.mark.parametrize("warmup", [0, 1, 30, 100])
@pytest.mark.parametrize("decay", ["linear", "cosine", "wsd", "constant"])
def test_every_decay_is_what_its_formula_says(decay: str, warmup: int) -> None:
    sizes = ["stages.0.steps=600", "stages.1.steps=401", f"schedule.warmup_steps={warmup}"]
    shares = ["schedule.decay_share=0.2"] if decay == "wsd" else []
    made = recipe(*sizes, f"schedule.decay={decay}", *shares)
    rates = [learning_rate(made, step) for step in range(1, 1002)]
    assert rates == pytest.approx([rate_by_the_book(decay, step, warmup, 1001, 0.2) for step in range(1, 1002)])
    assert max(rates) == 1
    assert (rates[-1] < 0.006) == (decay != "constant")


def test_wsd_falls_over_a_tenth_of_the_run_unless_told_otherwise() -> None:
    assert falling_steps(recipe("stages.0.steps=96", "schedule.decay=wsd")) == 10
    assert falling_steps(recipe("stages.0.steps=96", "schedule.decay=wsd", "schedule.decay_share=0.25")) == 25


@pytest.mark.parametrize("decay", ["linear", "cosine", "constant"])
def test_a_share_to_fall_over_is_refused_for_what_is_not_wsd(decay: str) -> None:
    with pytest.raises(SettingsError, match=f"decay_share is of decay wsd, and decay is {decay}; leave it out"):
        recipe(f"schedule.decay={decay}", "schedule.decay_share=0.1")


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
