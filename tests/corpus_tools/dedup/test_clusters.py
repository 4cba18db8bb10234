"""Clusters: who belongs together among those that agree in a band."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from corpus_tools.dedup import clusters
from corpus_tools.dedup.clusters import cluster, in_company, similarity
from corpus_tools.scratch import Rows


def rows_of(sets):
    bounds = np.cumsum([0, *map(len, sets)])
    return Rows(np.array([each for one in sets for each in sorted(one)], np.uint32), bounds)


def keys_of(*bands):
    return iter([np.array(band, np.uint64) for band in bands])


def slow_clusters(bands, sets, near):
    kept = list(range(len(sets)))
    for band in bands:
        for one, other in combinations(range(len(sets)), 2):
            union = sets[one] | sets[other]
            if band[one] == band[other] and union and len(sets[one] & sets[other]) / len(union) >= near:
                first, second = sorted((kept[one], kept[other]))
                kept = [first if each == second else each for each in kept]
    return kept


@pytest.mark.parametrize("number", range(20))
def test_clusters_are_those_of_comparing_every_pair_of_a_band(number):
    draw = np.random.default_rng(number)
    sets = [set(draw.choice(12, size=draw.integers(0, 9), replace=False).tolist()) for _ in range(40)]
    bands = draw.integers(0, 5, size=(3, 40)).tolist()
    assert cluster(keys_of(*bands), rows_of(sets), 0.6).tolist() == slow_clusters(bands, sets, 0.6)


def test_a_chain_keeps_its_first():
    sets = [{1, 2, 3, 4}, {9}, {3, 4, 5, 6}, {2, 3, 4, 5}]
    assert cluster(keys_of([7, 7, 7, 7]), rows_of(sets), 0.6).tolist() == [0, 1, 0, 0]


def test_those_that_agree_in_no_band_are_not_compared():
    assert cluster(keys_of([1, 2], [3, 4]), rows_of([{1}, {1}]), 0.5).tolist() == [0, 1]


def test_in_a_crowd_only_near_ones_are_compared(monkeypatch):
    monkeypatch.setattr(clusters, "MOST_COMPARED", 2)
    sets = [{1}, {2}, {3}, {1}, {3}]
    assert cluster(keys_of([0] * 5), rows_of(sets), 1.0).tolist() == [0, 1, 2, 3, 2]


def test_similarity_is_jaccards():
    sets = rows_of([{1, 2, 3}, {2, 3, 4, 5}, set(), set()])
    assert similarity(sets, 0, 1) == 2 / 5
    assert similarity(sets, 0, 0) == 1.0
    assert similarity(sets, 0, 2) == similarity(sets, 2, 3) == 0.0


@pytest.mark.parametrize("keys", [[], [4], [4, 1, 4, 2, 2, 3], [0, 0]])
def test_company_is_what_occurs_more_than_once(keys):
    assert in_company(np.array(keys, np.uint64)).tolist() == [keys.count(key) > 1 for key in keys]
