"""Tokens and their offsets: transformers' ids, and offsets that a cut into pieces does not move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_texts import ODD, SENTENCES, small_vocabulary
from transformers import BertTokenizer

from corpus_tools.encode import tokenize
from corpus_tools.encode.tokenize import CorpusTokenizer, piece_bounds

TEXTS = ODD + SENTENCES
CHARACTERS = st.characters(codec="utf-8")
TEXT = st.text(st.one_of(st.sampled_from(sorted(set("".join(TEXTS)))), CHARACTERS), max_size=60)


@pytest.fixture(scope="module", params=[True, False], ids=["lower", "cased"])
def pair(request, tmp_path_factory):
    made = small_vocabulary(request.param)
    entries = {token: number for number, token in enumerate(made.tokens)}
    return CorpusTokenizer(made), BertTokenizer(vocab=entries, do_lower_case=request.param, split_special_tokens=True)


def test_ids_are_those_of_transformers_with_special_tokens_split(pair):
    ours, theirs = pair
    for text, tokens in zip(TEXTS, ours.tokenize(TEXTS), strict=True):
        assert tokens.ids.tolist() == theirs(text, add_special_tokens=False).input_ids


@settings(max_examples=200, deadline=None)
@given(text=TEXT)
def test_ids_are_those_of_transformers_on_any_text(pair, text):
    ours, theirs = pair
    assert ours.tokenize([text])[0].ids.tolist() == theirs(text, add_special_tokens=False).input_ids


def test_a_literal_mask_is_text(pair):
    ours, _ = pair
    [tokens] = ours.tokenize(["[MASK][CLS][SEP][PAD]"])
    assert not set(tokens.ids.tolist()) & {0, 2, 3, 4}
    assert ours.tokenize(["[MASK]"])[0].begins[0] == 0


@settings(max_examples=200, deadline=None)
@given(text=TEXT)
def test_offsets_lie_in_the_text_and_never_go_back(text):
    [tokens] = CorpusTokenizer(small_vocabulary()).tokenize([text])
    assert np.all(tokens.begins < tokens.ends)
    assert np.all(np.diff(tokens.begins) >= 0)
    assert np.all(np.diff(tokens.ends) >= 0)
    assert not len(tokens.ids) or 0 <= tokens.begins[0] <= tokens.ends[-1] <= len(text)


@settings(max_examples=200, deadline=None)
@given(text=TEXT, size=st.integers(1, 9))
def test_a_cut_into_pieces_changes_neither_ids_nor_offsets(text, size):
    made = CorpusTokenizer(small_vocabulary())
    [whole] = made.tokenize([text])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenize.piece_bounds, "__defaults__", (size,))
        [pieces] = made.tokenize([text])
    np.testing.assert_array_equal(pieces.ids, whole.ids)
    np.testing.assert_array_equal(pieces.begins, whole.begins)
    np.testing.assert_array_equal(pieces.ends, whole.ends)


@given(text=TEXT, size=st.integers(1, 9))
def test_pieces_tile_the_text(text, size):
    bounds = list(piece_bounds(text, size))
    assert "".join(text[start:end] for start, end in bounds) == text
    assert all(end - start >= size for start, end in bounds[:-1])
