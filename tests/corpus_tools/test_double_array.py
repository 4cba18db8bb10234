"""The double array: a step leads where a dictionary of prefixes leads, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_tools import double_array as module
from corpus_tools.double_array import NOWHERE, ROOT, double_array, step, symbol_of

KEYS = st.lists(st.text(st.sampled_from("ab的𠮷中文#"), min_size=1, max_size=6), unique=True, max_size=40)


def look_up(trie, key):
    """The number of a key, NOWHERE where it is none; None where no key begins so."""
    state = ROOT
    for character in key:
        state = step(trie.cells, state, symbol_of(trie.symbols, ord(character)))
        if state == NOWHERE:
            return None
    return int(trie.key_at[state])


def check(keys, others):
    trie = double_array(keys)
    prefixes = {key[:end] for key in keys for end in range(len(key) + 1)}
    for number, key in enumerate(keys):
        assert look_up(trie, key) == number
    for other in {*others, *prefixes}:
        wanted = keys.index(other) if other in keys else NOWHERE if other in prefixes else None
        assert look_up(trie, other) == (NOWHERE if not other else wanted)


@given(keys=KEYS, others=KEYS)
def test_keys_and_their_prefixes_are_found_and_nothing_else(keys, others):
    check(keys, [*others, "好", "\U0010ffff", ""])


def test_a_large_family_and_many_small_ones_find_their_places():
    draw = np.random.default_rng(0)
    firsts = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]
    pairs = {"".join(map(str, draw.choice(firsts, int(size)))) for size in draw.integers(1, 5, 8000)}
    keys = [*firsts, *sorted(pairs - set(firsts))]
    trie = double_array(keys)
    assert [look_up(trie, key) for key in keys] == list(range(len(keys)))
    assert look_up(trie, keys[-1] + "一") is None


def test_no_step_leaves_the_arrays_whatever_the_symbol():
    trie = double_array(["a", "ab", "中文"])
    n_symbols = int(trie.symbols.max()) + 1
    assert all(base >= 0 and base + n_symbols <= len(trie.cells) for base in trie.cells[:, module.BASE])


@pytest.mark.parametrize("keys", [["a", "a"], [""]])
def test_keys_that_are_none_are_refused(keys):
    with pytest.raises(ValueError, match="different from each other and not empty"):
        double_array(keys)


def test_all_characters_of_unicode_may_be_in_the_keys():
    keys = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    trie = double_array([*keys, "的a", "a\U0010ffff"])
    assert [look_up(trie, key) for key in keys[::1000]] == list(range(0, len(keys), 1000))
    assert [look_up(trie, key) for key in ("的a", "a\U0010ffff", "a的")] == [len(keys), len(keys) + 1, None]
