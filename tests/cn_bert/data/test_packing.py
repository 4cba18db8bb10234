import numpy as np
import pytest

from cn_bert.data.packing import best_fit, pack


def best_fit_by_looking_at_every_row(lengths, capacity):
    rooms = []
    for length in sorted(lengths, reverse=True):
        fitting = [row for row, room in enumerate(rooms) if room >= length]
        if fitting:
            rooms[min(fitting, key=lambda row: rooms[row])] -= length
        else:
            rooms.append(capacity - length)
    return sorted(rooms)


@pytest.mark.parametrize("number", range(20))
def test_best_fit_leaves_the_room_that_looking_at_every_row_leaves(number):
    draw = np.random.default_rng(number)
    lengths = draw.integers(1, 129, size=200).tolist()

    rows = best_fit(lengths, 128)

    rooms = sorted(128 - sum(lengths[item] for item in row) for row in rows)
    assert rooms == best_fit_by_looking_at_every_row(lengths, 128)
    assert sorted(item for row in rows for item in row) == list(range(200))
    assert min(rooms) >= 0


@pytest.mark.parametrize("length", [0, 129])
def test_an_item_that_fits_no_row_is_a_bug_of_the_caller(length):
    with pytest.raises(ValueError, match="does not fit"):
        best_fit([5, length], 128)


def test_pack_puts_every_sequence_into_one_row_and_overflows_none():
    draw = np.random.default_rng(0)
    lengths = draw.integers(2, 129, size=5_000)
    order = draw.permutation(5_000)

    packed, starts = pack(order, lengths, 128, key=(1, 2), window=512)

    rows = np.add.reduceat(lengths[packed], starts[:-1])
    assert sorted(packed.tolist()) == list(range(5_000))
    assert rows.max() <= 128
    assert lengths.sum() / (rows.size * 128) > 0.95


def test_pack_keeps_each_window_together_and_shuffles_its_rows():
    lengths = np.arange(1, 1_001) % 100 + 1
    order = np.random.default_rng(1).permutation(1_000)

    packed, starts = pack(order, lengths, 100, key=(1,), window=250)
    again, _ = pack(order, lengths, 100, key=(1,), window=250)
    other, _ = pack(order, lengths, 100, key=(2,), window=250)

    for begin in range(0, 1_000, 250):
        assert sorted(packed[begin : begin + 250].tolist()) == sorted(order[begin : begin + 250].tolist())
    longest = np.maximum.reduceat(lengths[packed], starts[:-1])
    assert (np.diff(longest) > 0).mean() > 0.25
    np.testing.assert_array_equal(packed, again)
    assert packed.tolist() != other.tolist()
