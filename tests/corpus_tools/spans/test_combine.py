"""Putting finders together: leftmost, then longest, then the earlier finder."""

from __future__ import annotations

import numpy as np
import pytest

from corpus_tools.schema import TextSpan
from corpus_tools.spans import combine


def entity(start, end, kind="list"):
    return TextSpan(start, end, kind, "entity")


def phrase(start, end, kind="phrases"):
    return TextSpan(start, end, kind, "phrase")


def choose_place_by_place(candidates, mark):
    chosen, at = [], 0
    while at < 60:
        here = [span for found in candidates for span in found if span.start == at and span.mark == mark]
        if here:
            chosen.append(max(here, key=lambda span: span.end))  # max keeps the first of equals
            at = chosen[-1].end
        else:
            at += 1
    return chosen


def test_the_leftmost_comes_first_then_the_longest_then_the_earlier_finder():
    assert combine([[entity(0, 2), entity(4, 6)], [entity(1, 9, "ns"), entity(4, 8, "nr")]]) == [
        entity(0, 2),
        entity(4, 8, "nr"),
    ]
    assert combine([[entity(0, 2)], [entity(0, 2, "ns")]]) == [entity(0, 2)]


def test_entities_and_phrases_may_overlap_each_other():
    assert combine([[phrase(0, 5), phrase(3, 9)], [entity(2, 7), entity(0, 2)]]) == [
        entity(0, 2),
        phrase(0, 5),
        entity(2, 7),
    ]


def test_nothing_found_gives_nothing():
    assert combine([]) == combine([[], []]) == []


@pytest.mark.parametrize("number", range(20))
def test_the_choice_is_that_of_a_walk_from_left_to_right(number):
    draw = np.random.default_rng(number)
    candidates = [
        [
            TextSpan(int(start), int(start + size), kind, str(draw.choice(["entity", "phrase"])))
            for start, size in zip(draw.integers(0, 50, 15), draw.integers(1, 8, 15), strict=True)
        ]
        for kind in ("first", "second")
    ]
    chosen = combine(candidates)
    for mark in ("entity", "phrase"):
        assert [span for span in chosen if span.mark == mark] == choose_place_by_place(candidates, mark)
    assert chosen == sorted(chosen, key=lambda span: (span.start, span.end))
