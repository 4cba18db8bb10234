"""The characters behind [UNK], against asking for each character of each unknown token."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_texts import ODD, SENTENCES, small_vocabulary

from corpus_tools.encode.tokenize import CorpusTokenizer, LibraryTokenizer
from corpus_tools.encode.unknown import unknown_characters
from corpus_tools.text.batch import TextBatch

VOCABULARY = small_vocabulary()
TOKENIZER = CorpusTokenizer(VOCABULARY)
LIBRARY = LibraryTokenizer(VOCABULARY)


def found_in(*texts):
    batch = TextBatch.of(texts)
    tokens = TOKENIZER.tokenize(batch)
    unknown = tokens.ids == VOCABULARY.unk_id
    return unknown_characters(TOKENIZER, VOCABULARY.unk_id, batch.codes, tokens.begins[unknown], tokens.ends[unknown])


def slowly_found_in(*texts):
    found = Counter()
    for text in texts:
        for id, begin, end in zip(*LIBRARY.tokenize(text), strict=True):
            if id == VOCABULARY.unk_id:
                found.update(c for c in text[begin:end] if VOCABULARY.unk_id in LIBRARY.tokenize(c)[0])
    return found


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_texts_are_counted_as_the_slow_twin_counts(text):
    assert found_in(text, *SENTENCES) == slowly_found_in(text, *SENTENCES)


@given(st.lists(st.text(st.sampled_from("研究的猫犬aé😀한e\u0301 x1，")), min_size=1, max_size=4))
def test_texts_are_counted_as_the_slow_twin_counts(texts):
    assert found_in(*texts) == slowly_found_in(*texts)


def test_a_word_gives_the_letters_that_are_unknown_and_no_other():
    assert found_in("猫的猫", "gpt😀") == {"猫": 2, "😀": 1}


def test_a_word_of_known_letters_gives_none():
    assert found_in("x" * 101) == {}
