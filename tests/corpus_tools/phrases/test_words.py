"""Words, parts, and the keys of sequences of words."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from odd_texts import ODD, SENTENCES
from slow_phrases import parts_of

from corpus_tools.phrases.words import letters, sequence_keys, words_of
from corpus_tools.segment import build_segmenter, word_starts
from corpus_tools.text.batch import TextBatch

TEXTS = [*ODD, *SENTENCES, "x" * 30 + "好", "x" * 31 + "好", "第3行，第4行", "甲乙\n丙丁　戊"]


@pytest.mark.parametrize("name", ["jieba", "chars"])
def test_parts_are_runs_of_words_of_letters(name):
    segmenter = build_segmenter({"name": name})

    def segment(text):
        starts = [*word_starts(segmenter, text), len(text)]
        return [text[a:b] for a, b in pairwise(starts)]

    batch = TextBatch.of(TEXTS)
    words = words_of(batch, segmenter, letters())
    found = [batch.codes[a:b].tobytes().decode("utf-32") for a, b in zip(words.begins, words.ends, strict=True)]
    parts = list(parts_of(TEXTS, segment))
    assert found == [word for part in parts for word in part]
    assert words.room.tolist() == [n for part in parts for n in range(len(part), 0, -1)]


def test_a_key_is_of_the_words_in_their_order_and_of_nothing_else():
    batch = TextBatch.of(["甲乙丙，乙甲。甲乙", "丙甲乙"])
    words = words_of(batch, build_segmenter({"name": "chars"}), letters())
    keys = sequence_keys(words, 3)
    sequences = [
        "甲 甲乙 甲乙丙",
        "乙 乙丙 ",
        "丙  ",
        "乙 乙甲 ",
        "甲  ",
        "甲 甲乙 ",
        "乙  ",
        "丙 丙甲 丙甲乙",
        "甲 甲乙 ",
        "乙  ",
    ]
    of_text = {}
    for row, texts in zip(keys.tolist(), sequences, strict=True):
        for key, text in zip(row, texts.split(" "), strict=True):
            assert (key == 0) == (text == "")
            of_text.setdefault(text, set()).add(key)
    assert all(len(found) == 1 for found in of_text.values())
    assert len(set.union(*of_text.values())) == len(of_text)


def test_no_text_has_no_words():
    words = words_of(TextBatch.of([]), build_segmenter({"name": "chars"}), letters())
    assert sequence_keys(words, 4).shape == (0, 4)
    assert words.room.dtype == np.int64
