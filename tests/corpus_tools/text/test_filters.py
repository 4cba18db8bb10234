"""Filters: which documents they drop, why, and what they measure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_tools.double_array import code_points
from corpus_tools.errors import SettingsError
from corpus_tools.schema import Document
from corpus_tools.text.filters import REPEAT, Filters, n_repeated
from corpus_tools.text.read import Reject


def reason(text, **asked):
    drop = Filters(**asked).judge(text)
    return drop and drop.reason


@pytest.mark.parametrize(
    ("text", "asked", "dropped"),
    [
        ("四个汉字", {"min_chars": 4}, None),
        ("四 个\n汉　字 ", {"min_chars": 5}, "too_short"),
        ("四个汉字", {"max_chars": 3}, "too_long"),
        ("四 个 汉 字", {"max_chars": 4}, None),
        ("中文 ab", {"min_han": 0.5}, None),
        ("中文 abc", {"min_han": 0.5}, "few_han"),
        ("中文，2024！！", {"min_han": 1}, None),
        ("カナです", {"min_han": 0.1}, "few_han"),
        ("1949！", {"min_han": 0.1}, "few_han"),
        ("〇𠮷㐂", {"min_han": 1}, None),
        ("é的", {"min_han": 0.6}, "few_han"),
        ("好。", {"max_symbols": 0.5}, None),
        ("好。！", {"max_symbols": 0.5}, "symbols"),
        ("一二 === ", {"max_symbols": 0.5}, "symbols"),
        ("第1章", {"max_symbols": 0}, None),
        ("哈" * 100, {"max_repetition": 0.9}, "repetitive"),
        ("天地玄黄宇宙洪荒日月盈昃辰宿列张" * 2, {"max_repetition": 0.5}, None),
        ("天地玄黄宇宙洪荒日月盈昃辰宿列张" * 2, {"max_repetition": 0.49}, "repetitive"),
        ("天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往", {"max_repetition": 0}, None),
        ("天" * (REPEAT - 1), {"max_repetition": 0}, None),
    ],
)
def test_a_document_is_dropped_by_what_it_is(text, asked, dropped):
    assert reason(text, **asked) == dropped


def test_the_first_filter_that_is_not_passed_names_the_reason_and_the_value():
    filters = Filters(min_chars=3, min_han=0.5, max_symbols=0.2)
    assert filters.judge("a!") == ("too_short", "2 characters, at least 3 asked for")
    assert filters.judge("ab!") == ("few_han", "0.000 of the letters are Chinese, at least 0.5 asked for")
    assert filters.judge("好好！") == ("symbols", "0.333 is punctuation and symbols, at most 0.2 asked for")


def test_as_they_are_by_default_filters_drop_nothing():
    assert all(Filters().judge(text) is None for text in ["", " ", "a", "!" * 999, "的" * 999])


def test_a_reject_stands_in_the_place_of_what_is_dropped():
    before = Reject("坏", "测试", "bad_json", "...")
    kept, short = Document("文", "测试", "好好学习"), Document("短", "测试", "好")
    first, second, third = Filters(min_chars=2).sift([before, kept, short])
    assert first is before
    assert second is kept
    assert third == Reject("短", "测试", "too_short", "1 characters, at least 2 asked for")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"min_chars": -1}, "min_chars: -1 is below 0"),
        ({"max_chars": 0}, "max_chars: 0 is below 1"),
        ({"min_chars": 9, "max_chars": 8}, "max_chars: 8 is below 9"),
        ({"min_han": 1.5}, "min_han: 1.5 is not a share"),
        ({"max_symbols": -0.1}, "max_symbols: -0.1 is not a share"),
        ({"max_repetition": float("nan")}, "max_repetition: nan is not a share"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(asked, said):
    with pytest.raises(SettingsError, match=said):
        Filters(**asked)


def repeated_one_by_one(text):
    """The characters in stretches that stood there before, by a set of stretches and a set of places."""
    stretches, places = set(), set()
    for start in range(len(text) - REPEAT + 1):
        stretch = text[start : start + REPEAT]
        if stretch in stretches:
            places.update(range(start, start + REPEAT))
        stretches.add(stretch)
    return len(places)


@given(st.lists(st.tuples(st.text("天地", max_size=20), st.integers(1, 6)), max_size=6))
def test_repetition_is_what_the_sets_count(parts):
    text = "".join(part * times for part, times in parts)
    assert n_repeated(code_points(text).copy()) == repeated_one_by_one(text)


def test_repetition_of_a_long_text_is_exact():
    draw = np.random.default_rng(5)
    text = "".join(map(chr, draw.integers(0x4E00, 0x4E04, size=30_000)))
    assert n_repeated(code_points(text).copy()) == repeated_one_by_one(text)
