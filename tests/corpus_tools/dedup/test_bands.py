"""Bands of MinHash signatures: how surely a pair becomes a candidate."""

from __future__ import annotations

import numpy as np
import pytest

from corpus_tools.dedup.bands import N_MINIMA, SURE, Bands


def keys_of(bands, sets):
    bounds = np.cumsum([0, *map(len, sets)])
    return bands.keys(np.array([each for one in sets for each in one], np.uint64), bounds)


@pytest.mark.parametrize("near", [0.3, 0.5, 0.7, 0.8, 0.9, 0.99, 1.0])
def test_bands_are_the_widest_that_find_pairs_surely(near):
    bands = Bands.for_similarity(near)
    assert bands.found(near) >= SURE
    assert bands.count * bands.rows <= N_MINIMA
    wider = Bands(N_MINIMA // (bands.rows + 1), bands.rows + 1) if bands.rows < N_MINIMA else None
    assert wider is None or wider.found(near) < SURE


def test_no_bands_are_sure_of_pairs_that_share_nearly_nothing():
    assert Bands.for_similarity(0.001) == Bands(N_MINIMA, 1)


@pytest.mark.parametrize("similarity", [0.5, 0.65, 0.8])
def test_pairs_agree_in_a_band_as_often_as_foretold(similarity):
    draw = np.random.default_rng(3)
    bands, n_pairs, size = Bands(12, 7), 600, 200
    shared = round(2 * size * similarity / (1 + similarity))
    sets = []
    for _ in range(n_pairs):
        every = draw.integers(1 << 63, size=2 * size - shared, dtype=np.uint64).tolist()
        sets += [every[:size], every[size - shared :]]
    keys = keys_of(bands, sets)
    agree = (keys[:, 0::2] == keys[:, 1::2]).any(axis=0).mean()
    assert agree == pytest.approx(bands.found(shared / (2 * size - shared)), abs=0.06)


def test_neither_order_nor_repetition_nor_the_batch_enter_the_keys():
    bands = Bands.for_similarity(0.8)
    together = keys_of(bands, [[5, 9, 1 << 60], [1 << 60, 5, 5, 9], [7]])
    assert (together[:, 0] == together[:, 1]).all()
    assert (together[:, 2:] == keys_of(bands, [[7]])).all()


def test_no_documents_have_no_keys():
    assert keys_of(Bands(3, 2), []).shape == (3, 0)
