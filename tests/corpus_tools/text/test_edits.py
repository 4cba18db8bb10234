"""Edits: carried out, counted, and offsets that follow them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_tools.text.edits import edited, moved, n_characters


@st.composite
def edited_texts(draw):
    """A text and edits of it, at least one."""
    text = draw(st.text("天地玄黄", max_size=12))
    places = sorted(draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=8).filter(lambda p: len(p) % 2 == 0)))
    news = st.text("ab", max_size=3)
    return text, [(start, end, draw(news)) for start, end in zip(places[::2], places[1::2], strict=True)]


def one_by_one(text, edits):
    """The edited text, and where each offset is, by the character."""
    places, made, at = {}, "", 0
    for start, end, new in edits:
        for offset in range(at, start):
            places[offset] = len(made)
            made += text[offset]
        for offset in range(start, end):
            places[offset] = len(made) + min(offset - start, len(new))
        made += new
        at = end
    for offset in range(at, len(text)):
        places[offset] = len(made)
        made += text[offset]
    return made, places


@given(edited_texts())
def test_text_and_offsets_are_those_of_the_loop(case):
    text, edits = case
    made, places = one_by_one(text, edits)
    assert edited(text, edits) == made
    offsets = np.arange(len(text))
    np.testing.assert_array_equal(moved(offsets, edits), [places[offset] for offset in offsets.tolist()])


def test_the_end_of_a_text_stays_its_end():
    edits = [(0, 1, ""), (3, 5, "abc")]
    assert edited("天地玄黄宇", edits) == "地玄abc"
    assert moved(np.array([5]), edits).tolist() == [5]


def test_no_edit_leaves_the_text():
    assert edited("天地", []) == "天地"
    assert n_characters([]) == 0


@pytest.mark.parametrize(("edit", "n"), [((2, 5, ""), 3), ((2, 5, "a"), 3), ((2, 3, "ab"), 2), ((2, 2, "ab"), 2)])
def test_characters_are_counted_on_the_longer_side(edit, n):
    assert n_characters([edit]) == n
