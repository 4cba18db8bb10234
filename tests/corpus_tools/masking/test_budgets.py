"""Budgets count as Google's code counts, and units are spent in a drawn order that never overshoots."""

import numpy as np
import pytest

from corpus_tools.draw import state_of, uniforms
from corpus_tools.masking.budgets import google_budget, pick_by_chance, spend_budget


def spend_budget_one_by_one(sizes, budget, key):
    """Shuffle in full by the published swaps, then take what fits, one unit after the other."""
    order = list(range(len(sizes)))
    for place, u in enumerate(uniforms(key, len(order)).tolist()):
        partner = place + int(u * (len(order) - place))
        order[place], order[partner] = order[partner], order[place]
    picked = np.zeros(len(order), bool)
    for unit in order:
        if sizes[picked].sum() + sizes[unit] <= budget:
            picked[unit] = True
    return picked


@pytest.mark.parametrize(
    ("length", "cap", "budget"),
    [
        (2, None, 1),
        (10, None, 2),
        (30, None, 4),
        (50, None, 8),
        (128, 20, 19),
        (512, 77, 77),
        (512, 20, 20),
        (512, None, 77),
    ],
)
def test_google_budget_counts_special_tokens_and_rounds_half_to_even(length, cap, budget):
    assert google_budget(np.array([length]), 0.15, cap).tolist() == [budget]


@pytest.mark.parametrize("rate", [0.15, 0.1, 0.125, 0.3])
def test_google_budget_rounds_as_python_rounds(rate):
    lengths = np.arange(2, 3000)
    wanted = [max(1, round(length * rate)) for length in lengths.tolist()]
    assert google_budget(lengths, rate).tolist() == wanted


def spent(sizes, budget, key):
    sizes = np.asarray(sizes, np.int32)
    picked = np.zeros(len(sizes), bool)
    spend_budget(sizes, budget, np.uint64(state_of(key)), np.empty(len(sizes), np.int32), picked)
    return picked


@pytest.mark.parametrize("number", range(40))
def test_spend_budget_picks_what_the_loop_picks(number):
    draw = np.random.default_rng(number)
    sizes = draw.integers(1 + number % 2, 6, size=number)
    budget = int(draw.integers(0, 30))

    fast = spent(sizes, budget, key=(7, 0, number))

    np.testing.assert_array_equal(fast, spend_budget_one_by_one(sizes, budget, key=(7, 0, number)))


def test_spend_budget_passes_over_what_does_not_fit():
    assert all(spent([9, 1, 9, 1, 9], 2, (0, n)).tolist() == [False, True, False, True, False] for n in range(20))


def test_spend_budget_takes_everything_when_the_budget_is_large():
    assert spent([3, 1, 2], 100, (1,)).all()


def test_spend_budget_gives_every_unit_of_one_size_the_same_chance():
    counts = sum(spent(np.ones(20), 3, (5, n)).astype(int) for n in range(4000))
    # each count is binomial(4000, 3/20): mean 600, deviation 22.6
    assert counts.sum() == 12_000
    assert np.abs(counts - 600).max() < 5 * 22.6


def test_pick_by_chance_picks_each_unit_whose_number_is_below_the_rate():
    picked = np.zeros((5000, 10), bool)
    for n in range(5000):
        pick_by_chance(0.15, np.uint64(state_of((2, n))), picked[n])
        np.testing.assert_array_equal(picked[n], uniforms((2, n), 10) < 0.15)
    assert picked.sum(axis=1).mean() == pytest.approx(1.5, abs=0.06)  # 3.7 deviations
    assert picked.sum(axis=1).min() == 0
