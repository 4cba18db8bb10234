"""The order of training examples: each once an epoch, like lengths together, no drift over an epoch."""

import numpy as np
import pytest

from cn_bert.finetune.order import POOL_BATCHES, LikeLengths, order_of


@pytest.mark.parametrize("count", [1, 3, 4, 31, 32, 33, 1000])
def test_every_example_is_taken_once(count):
    lengths = np.random.default_rng(count).integers(1, 50, count).tolist()

    assert sorted(order_of(lengths, 4, seed=1, epoch=0)) == list(range(count))


def test_the_order_is_another_in_each_epoch_and_seed_and_the_same_when_asked_again():
    lengths = list(range(100))
    orders = {(seed, epoch): tuple(order_of(lengths, 4, seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}

    assert len(set(orders.values())) == 4
    assert orders[1, 1] == tuple(order_of(lengths, 4, 1, 1))


def test_batches_are_of_like_length_and_do_not_run_from_long_to_short():
    lengths = np.random.default_rng(0).integers(2, 257, 3200)
    batches = lengths[order_of(lengths.tolist(), 32, seed=1, epoch=0)].reshape(-1, 32)

    random = lengths.reshape(-1, 32)
    assert lengths.sum() / (batches.max(1) * 32).sum() > 0.8 > lengths.sum() / (random.max(1) * 32).sum()
    in_pool_order = np.diff(batches.mean(1))
    assert 0.3 < (in_pool_order > 0).mean() < 0.7
    assert len(batches) > POOL_BATCHES


def test_the_batch_that_is_not_full_comes_last():
    lengths = [9] * 8 + [1] * 3

    order = order_of(lengths, 4, seed=3, epoch=0)

    assert len(order) == 11
    assert {lengths[n] for n in order[8:]} == {9}  # the longest of the pool are what is left over


def test_the_sampler_follows_the_epoch():
    sampler = LikeLengths(list(range(50)), 4, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)

    assert list(sampler) == order_of(range(50), 4, 1, 1).tolist() != first
    assert len(sampler) == 50
