"""Budgets count as Google's code counts, and units are spent in a drawn order that never overshoots."""

import numpy as np
import pytest

from corpus_tools.draw import uniforms
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
    assert google_budget(length, 0.15, cap) == budget


@pytest.mark.parametrize("number", range(40))
def test_spend_budget_picks_what_the_loop_picks(number):
    draw = np.random.default_rng(number)
    sizes = draw.integers(1 + number % 2, 6, size=number)
    budget = int(draw.integers(0, 30))

    fast = spend_budget(sizes, budget, key=(7, 0, number))

    np.testing.assert_array_equal(fast, spend_budget_one_by_one(sizes, budget, key=(7, 0, number)))


def test_spend_budget_passes_over_what_does_not_fit():
    sizes = np.array([9, 1, 9, 1, 9])
    assert all(spend_budget(sizes, 2, (0, n)).tolist() == [False, True, False, True, False] for n in range(20))


def test_spend_budget_takes_everything_when_the_budget_is_large():
    assert spend_budget(np.array([3, 1, 2]), 100, (1,)).all()


def test_spend_budget_gives_every_unit_of_one_size_the_same_chance():
    counts = sum(spend_budget(np.ones(20, np.int64), 3, (5, n)).astype(int) for n in range(4000))
    # each count is binomial(4000, 3/20): mean 600, deviation 22.6
    assert counts.sum() == 12_000
    assert np.abs(counts - 600).max() < 5 * 22.6


@pytest.mark.parametrize(("sizes", "budget"), [([1, 0], 3), ([1, -1], 3), ([1], -1)])
def test_spend_budget_refuses_sizes_and_budgets_that_cannot_be(sizes, budget):
    with pytest.raises(ValueError, match="sizes start at 1"):
        spend_budget(np.array(sizes), budget, (0,))


def test_pick_by_chance_picks_the_rate_and_may_pick_nothing():
    picked = [pick_by_chance(10, 0.15, (2, n)).sum() for n in range(5000)]
    assert np.mean(picked) == pytest.approx(1.5, abs=0.06)  # 3.7 deviations
    assert min(picked) == 0
