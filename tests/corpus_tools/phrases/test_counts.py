"""The sieve, which never says too little, and exact counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from corpus_tools.phrases import tally as module
from corpus_tools.phrases.sieve import FULL, add_cells, clear_rare, no_cells, raise_cells
from corpus_tools.phrases.tally import counted, tally


def keys_of(seed, shape=(500, 1), distinct=60):
    return np.random.default_rng(seed).choice(
        np.random.default_rng(9).integers(1, 1 << 63, distinct, dtype=np.uint64), shape
    )


@pytest.mark.parametrize("n_cells", [4, 64, 1 << 16])
def test_what_occurs_often_stays_in_the_sieve(n_cells):
    keys = keys_of(1)
    cells = np.zeros((2, n_cells), np.uint16)
    raise_cells(cells, keys)
    counts = Counter(keys.ravel().tolist())
    for least in (1, 8, 15):
        left = keys.copy()
        clear_rare(cells, least, left)
        kept = set(left[left != 0].tolist())
        assert kept >= {key for key, count in counts.items() if count >= least}
        if n_cells == 1 << 16:
            assert kept == {key for key, count in counts.items() if count >= least}


def test_two_halves_make_the_sieve_of_the_whole():
    keys = keys_of(2)
    whole, one, other = (np.zeros((2, 32), np.uint16) for _ in range(3))
    raise_cells(whole, keys)
    raise_cells(one, keys[:200])
    raise_cells(other, keys[200:])
    add_cells(one, other)
    np.testing.assert_array_equal(one, whole)


def test_a_full_cell_stays_full():
    cells = np.full((2, 4), FULL - 1, np.uint16)
    raise_cells(cells, np.full((9, 1), 5, np.uint64))
    assert cells.max() == FULL
    add_cells(cells, cells.copy())
    assert (cells == FULL).all()
    keys = np.full((1, 1), 5, np.uint64)
    clear_rare(cells, 10 * FULL, keys)
    assert keys.all()


def test_a_sequence_goes_where_a_shorter_one_in_it_is_rare():
    often, rare = 7, 8
    cells = np.zeros((2, 1 << 16), np.uint16)
    raise_cells(cells, np.array([[often]] * 5 + [[rare]] + [[20]] * 5 + [[21]] * 5, np.uint64))
    keys = np.array([[often, 20], [rare, 21], [often, 0]], np.uint64)
    clear_rare(cells, 3, keys)
    assert keys.tolist() == [[often, 0], [0, 0], [often, 0]]


@pytest.mark.parametrize(("n_bytes", "cells"), [(0, 1 << 26), (1, 1 << 16), (1 << 20, 1 << 23), (1 << 40, 1 << 26)])
def test_the_sieve_is_as_large_as_the_text_needs_and_no_larger(n_bytes, cells):
    assert no_cells(n_bytes).shape == (2, cells)


@pytest.mark.parametrize("held", [1, 700, 1 << 20])
def test_counts_are_those_of_a_counter(held, monkeypatch):
    monkeypatch.setattr(module, "HELD", held)
    arrays = [keys_of(seed).ravel() for seed in range(4)] + [np.zeros(0, np.uint64)]
    found = tally(iter(arrays))
    true = Counter(np.concatenate(arrays).tolist())
    assert dict(zip(found.keys.tolist(), found.counts.tolist(), strict=True)) == true
    assert (np.diff(found.keys.astype(object)) > 0).all()
    often = found.at_least(35)
    assert set(often.keys.tolist()) == {key for key, count in true.items() if count >= 35}


def test_counts_add_up_in_any_order():
    one, other, none = counted(keys_of(1).ravel()), counted(keys_of(2, distinct=90).ravel()), tally(iter([]))
    for made in (one + other + none, none + (other + one)):
        expected = counted(np.concatenate((keys_of(1).ravel(), keys_of(2, distinct=90).ravel())))
        np.testing.assert_array_equal(made.keys, expected.keys)
        np.testing.assert_array_equal(made.counts, expected.counts)


def test_places_are_found_and_what_is_not_there_has_none():
    found = counted(np.array([5, 9, 9, 1 << 63], np.uint64))
    asked = np.array([[9, 0, 5], [6, 1 << 63, (1 << 63) + 1]], np.uint64)
    assert found.places(asked).tolist() == [[1, -1, 0], [-1, 2, -1]]
    assert tally(iter([])).places(asked).tolist() == [[-1] * 3] * 2
