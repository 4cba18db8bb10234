"""Putting finders together: the finder to be believed first has its way."""

from __future__ import annotations

import numpy as np
import pytest

from corpus_tools.spans import choose


def columns(spans):
    table = np.array(sorted(spans), np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def kept(*finders):
    chosen = choose([columns(spans) for spans in finders])
    return [[span for span, keep in zip(sorted(spans), which.tolist(), strict=True) if keep]
            for spans, which in zip(finders, chosen, strict=True)]  # fmt: skip


def kept_one_by_one(*finders):
    taken, found = set(), []
    for spans in finders:
        found.append([(start, end) for start, end in sorted(spans) if not taken & set(range(start, end))])
        taken |= {place for start, end in found[-1] for place in range(start, end)}
    return found


def test_an_earlier_finder_wins_though_the_later_begins_further_left_or_is_longer():
    assert kept([(2, 4), (8, 9)], [(0, 3), (4, 8), (8, 12)]) == [[(2, 4), (8, 9)], [(4, 8)]]
    assert kept([(0, 2)], [(0, 2)]) == [[(0, 2)], []]


def test_nothing_found_gives_nothing():
    assert choose([]) == []
    assert kept([], [(0, 1)], []) == [[], [(0, 1)], []]


@pytest.mark.parametrize("number", range(20))
def test_the_choice_is_that_of_a_walk_over_the_places(number):
    draw = np.random.default_rng(number)
    finders = []
    for _ in range(3):
        edges = np.sort(draw.choice(80, 2 * int(draw.integers(0, 15)), replace=False)).tolist()
        finders.append(list(zip(edges[::2], edges[1::2], strict=True)))
    assert kept(*finders) == kept_one_by_one(*finders)
