"""Tokens and their offsets: transformers' ids, and offsets that a cut into pieces does not move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_texts import ODD, SENTENCES, small_vocabulary
from transformers import BertTokenizer

from corpus_tools.encode import tokenize
from corpus_tools.encode.tokenize import CorpusTokenizer, LibraryTokenizer, piece_bounds
from corpus_tools.encode.vocabulary import Vocabulary
from corpus_tools.text.batch import TextBatch

TEXTS = ODD + SENTENCES
MOVED = "\U0001d16d\u302e\U0001d165"
"""Three marks that outlive the stripping of accents, in the wrong order."""
CHARACTERS = st.characters(codec="utf-8")
TEXT = st.text(st.one_of(st.sampled_from(sorted(set("".join(TEXTS)))), CHARACTERS), max_size=60)


@pytest.fixture(scope="module", params=[True, False], ids=["lower", "cased"])
def pair(request):
    made = small_vocabulary(request.param)
    entries = {token: number for number, token in enumerate(made.tokens)}
    theirs = BertTokenizer(vocab=entries, do_lower_case=request.param, split_special_tokens=True)
    return CorpusTokenizer(made), LibraryTokenizer(made), theirs


def check(pair, texts):
    """Ids are transformers', offsets the library's, each text by itself."""
    ours, library, theirs = pair
    batch = TextBatch.of(texts)
    tokens = ours.tokenize(batch)
    for number, text in enumerate(texts):
        of_text = slice(tokens.bounds[number], tokens.bounds[number + 1])
        ids, begins, ends = library.tokenize(text)
        assert tokens.ids[of_text].tolist() == theirs(text, add_special_tokens=False).input_ids == ids.tolist()
        assert (tokens.begins[of_text] - batch.bounds[number]).tolist() == begins.tolist()
        assert (tokens.ends[of_text] - batch.bounds[number]).tolist() == ends.tolist()
    assert tokens.bounds[-1] == len(tokens.ids)


def test_ids_are_those_of_transformers_with_special_tokens_split(pair):
    check(pair, TEXTS)


@given(texts=st.lists(TEXT, max_size=4))
def test_ids_are_those_of_transformers_on_any_text(pair, texts):
    check(pair, texts)


def test_marks_that_change_places_are_left_to_the_library(pair):
    check(pair, ["的a", f"x{MOVED}y", "好", MOVED[::-1] + "的", MOVED])


@pytest.mark.parametrize("n", [99, 100, 101, 102, 300])
def test_the_longest_run_is_counted_in_normalized_characters(pair, n):
    check(pair, ["x" * n, "é" * n + " x", "한" * n, "ά" * (n // 3), "x" * (n - 1) + "한" + "\u0301" * 5])


@pytest.mark.parametrize("lower", [True, False], ids=["lower", "cased"])
def test_every_code_point_alone_and_within_a_run(lower):
    made = small_vocabulary(lower)
    ours, library = CorpusTokenizer(made), made.corpus_tokenizer()
    characters = [chr(code) for code in range(0, 0x110000, 1 if lower else 7) if not 0xD800 <= code < 0xE000]
    for at in range(0, len(characters), 1 << 16):
        texts = [form for one in characters[at : at + (1 << 16)] for form in (one, f"x{one}s")]
        tokens = ours.tokenize(TextBatch.of(texts))
        wanted = [encoding.ids for encoding in library.encode_batch_fast(texts, add_special_tokens=False)]
        assert tokens.ids.tolist() == [id for ids in wanted for id in ids]
        assert np.diff(tokens.bounds).tolist() == [len(ids) for ids in wanted]


def test_a_literal_mask_is_text(pair):
    tokens = pair[0].tokenize(TextBatch.of(["[MASK][CLS][SEP][PAD]"]))
    assert not set(tokens.ids.tolist()) & {0, 2, 3, 4}
    assert tokens.begins[0] == 0


def test_a_vocabulary_without_pieces_knows_whole_words_only():
    made = Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ab", "的"])
    tokens = CorpusTokenizer(made).tokenize(TextBatch.of(["ab abab的#"]))
    assert tokens.ids.tolist() == [5, 1, 6, 1]


@given(text=TEXT)
def test_offsets_lie_in_the_text_and_never_go_back(text):
    tokens = CorpusTokenizer(small_vocabulary()).tokenize(TextBatch.of([text]))
    assert np.all(tokens.begins < tokens.ends)
    assert np.all(np.diff(tokens.begins) >= 0)
    assert np.all(np.diff(tokens.ends) >= 0)
    assert not len(tokens.ids) or 0 <= tokens.begins[0] <= tokens.ends[-1] <= len(text)


@given(text=TEXT, size=st.integers(1, 9))
def test_the_librarys_cut_into_pieces_changes_neither_ids_nor_offsets(text, size):
    made = LibraryTokenizer(small_vocabulary())
    whole = made.tokenize(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokenize.piece_bounds, "__defaults__", (size,))
        pieces = made.tokenize(text)
    for ours, theirs in zip(pieces, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@given(text=TEXT, size=st.integers(1, 9))
def test_pieces_tile_the_text(text, size):
    bounds = list(piece_bounds(text, size))
    assert "".join(text[start:end] for start, end in bounds) == text
    assert all(end - start >= size for start, end in bounds[:-1])
