"""Keyed numbers: one at a time, many at once and in compiled code they are the same."""

from __future__ import annotations

import numpy as np
import pytest

from corpus_tools.draw import bits, extend, extended, mixed, state_of, states_of, uniform, uniforms

KEYS = [(0, 0, 0), (1, 2, 3), (-1, 7, 1 << 40), ((1 << 63) - 1, 0, 5)]


def test_the_hash_is_splitmix64():
    # The first outputs for seed 1234567, as published with the generator.
    state, found = 1234567, []
    for number in range(1, 4):
        with np.errstate(over="ignore"):
            found.append(int(mixed(np.uint64(state) + np.uint64(0x9E3779B97F4A7C15) * np.uint64(number))))
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_many_states_are_the_states_of_each():
    assert states_of(KEYS).tolist() == [state_of(key) for key in KEYS]
    assert states_of(np.zeros((0, 3))).tolist() == []


@pytest.mark.parametrize("part", [0, 1, 9])
def test_a_state_goes_on_with_a_part(part):
    wanted = [state_of((*key, part)) for key in KEYS]
    assert extend(states_of(KEYS), part).tolist() == wanted
    assert [int(extended(state, part)) for state in states_of(KEYS)] == wanted


def test_a_number_of_a_stream_is_the_same_by_itself():
    for key in KEYS:
        state = np.uint64(state_of(key))
        assert [uniform(state, number) for number in range(100)] == uniforms(key, 100).tolist()


def test_words_of_a_stream_do_not_depend_on_how_many_are_drawn():
    np.testing.assert_array_equal(bits((1, 2), 10), bits((1, 2), 1000)[:10])
