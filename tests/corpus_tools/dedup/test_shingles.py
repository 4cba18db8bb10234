"""What documents are compared by."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from odd_texts import ODD, SENTENCES
from slow_dedup import compared_text, shingles_of

from corpus_tools.dedup.shingles import compared, forms, shingle_hashes, text_hashes
from corpus_tools.text.batch import TextBatch


def hashes_of(texts):
    batch = TextBatch.of(texts)
    return text_hashes(batch, compared(batch, forms())).T.tolist()


@pytest.mark.parametrize("texts", [ODD, SENTENCES, ["", "一"], []])
def test_letters_and_digits_are_compared_in_one_form(texts):
    found = compared(TextBatch.of(texts), forms())
    parts = [found.codes[a:b] for a, b in pairwise(found.bounds)]
    assert ["".join(map(chr, part.tolist())) for part in parts] == [compared_text(text) for text in texts]


def test_case_width_punctuation_and_white_space_do_not_make_texts_differ():
    one, *others = hashes_of(
        ["今天，GPT４发布了。", "今天 gpt4 发布了", "今天\n「ＧＰＴ4」发布了！！", "今天，GPT4发布。"]
    )
    assert [other == one for other in others] == [True, True, False]


def test_texts_without_letters_are_equal_only_as_they_are():
    dots, dashes, more_dots, empty = hashes_of(["……", "——", "……", ""])
    assert dots == more_dots
    assert len({tuple(each) for each in (dots, dashes, empty)}) == 3


@pytest.mark.parametrize("texts", [ODD, SENTENCES])
def test_two_documents_share_as_many_hashes_as_shingles(texts):
    hashes, bounds = shingle_hashes(compared(TextBatch.of(texts), forms()))
    found = [set(hashes[a:b].tolist()) for a, b in pairwise(bounds)]
    true = [shingles_of(text) for text in texts]
    for (one, other), (here, there) in zip(pairwise(true), pairwise(found), strict=True):
        assert len(here) == len(one)
        assert len(here & there) == len(one & other)


def test_the_order_of_characters_is_in_the_hash():
    hashes, _ = shingle_hashes(compared(TextBatch.of(["一二三四五", "二一三四五", "五四三二一"]), forms()))
    assert len(np.unique(hashes)) == 3


def test_a_short_document_is_one_shingle_and_an_empty_one_has_none():
    _, bounds = shingle_hashes(compared(TextBatch.of(["一", "。", "一二三四五", "一二三四五六"]), forms()))
    assert np.diff(bounds).tolist() == [1, 0, 1, 2]
