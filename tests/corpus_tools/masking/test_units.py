"""Units tile a sequence, entities before phrases before words, and nothing crosses a special token."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_tools.masking.units import (
    LEVEL_NAMES,
    character_units,
    entity_units,
    phrase_units,
    token_levels,
    units_at,
    word_units,
)
from corpus_tools.schema import ENTITY, IN_ENTITY, IN_PHRASE, PHRASE, SPECIAL, WORD

LEVELS = ("character", "word", "phrase", "entity")


def flags_of(length, *, words=(), phrases=(), entities=(), specials=()):
    """Write flags from word starts, [start, end) of phrases and entities, and places of special tokens."""
    flags = np.zeros(length, np.uint8)
    for start in words:
        flags[start] |= WORD
    for spans, first, inside in ((phrases, PHRASE, IN_PHRASE), (entities, ENTITY, IN_ENTITY)):
        for start, end in spans:
            flags[start] |= first
            flags[start:end] |= inside
    flags[list(specials)] = SPECIAL
    return flags


def units_one_by_one(flags, level):
    """Walk the tokens and begin a unit wherever the tiling rule says so."""
    units, number, before = [], 0, "special"
    for flag in flags.tolist():
        if flag & SPECIAL:
            units.append(0)
            before = "special"
            continue
        if level == "character":
            kind, starts = "character", True
        elif level == "entity" and flag & IN_ENTITY:
            kind, starts = "entity", flag & ENTITY
        elif level in ("entity", "phrase") and flag & IN_PHRASE:
            kind, starts = "phrase", flag & PHRASE
        else:
            kind, starts = "word", flag & WORD
        if starts or kind != before:
            number += 1
        units.append(number)
        before = kind
    return units


def test_words_of_a_sentence_are_numbered():
    # 哈尔滨 是 黑龙江 的 省会 between [CLS] and [SEP]
    flags = flags_of(13, words=(1, 4, 5, 8, 9), specials=(0, 11, 12))
    assert word_units(flags).tolist() == [0, 1, 1, 1, 2, 3, 3, 3, 4, 5, 5, 0, 0]


def test_every_token_but_special_ones_is_a_character_unit():
    flags = flags_of(5, words=(1,), specials=(0, 4))
    assert character_units(flags).tolist() == [0, 1, 2, 3, 0]


def test_a_word_cut_by_the_start_is_a_unit_of_what_remains():
    assert word_units(flags_of(4, words=(2,))).tolist() == [1, 1, 2, 2]
    assert word_units(flags_of(5, words=(3,), specials=(0, 4))).tolist() == [0, 1, 1, 2, 0]


def test_a_special_token_ends_a_unit():
    flags = flags_of(6, entities=((0, 6),), specials=(3,))
    assert entity_units(flags).tolist() == [1, 1, 1, 0, 2, 2]


def test_an_entity_wins_over_the_words_it_cuts():
    # words 0-2, 2-6, 6-8; an entity from 1 to 4 leaves a piece of each of the first two words
    flags = flags_of(8, words=(0, 2, 6), entities=((1, 4),))
    assert entity_units(flags).tolist() == [1, 2, 2, 2, 3, 3, 4, 4]
    assert word_units(flags).tolist() == [1, 1, 2, 2, 2, 2, 3, 3]
    assert phrase_units(flags).tolist() == word_units(flags).tolist()


def test_an_entity_wins_over_the_phrase_it_cuts():
    flags = flags_of(8, words=range(8), phrases=((0, 6),), entities=((2, 4),))
    assert entity_units(flags).tolist() == [1, 1, 2, 2, 3, 3, 4, 5]
    assert phrase_units(flags).tolist() == [1, 1, 1, 1, 1, 1, 2, 3]


def test_neighbouring_entities_stay_apart():
    flags = flags_of(6, words=(0,), entities=((0, 2), (2, 5)))
    assert entity_units(flags).tolist() == [1, 1, 2, 2, 2, 3]


def test_what_an_entity_leaves_of_neighbouring_phrases_and_words_stays_apart():
    flags = flags_of(7, words=(0, 5), phrases=((0, 2), (2, 4)), entities=((3, 5),))
    assert entity_units(flags).tolist() == [1, 1, 2, 3, 3, 4, 4]


def test_an_empty_sequence_has_no_units():
    assert all(len(units_at(np.zeros(0, np.uint8), level)) == 0 for level in LEVELS)


@pytest.mark.parametrize("level", LEVELS)
def test_units_are_those_of_the_walk_on_any_flags(level):
    draw = np.random.default_rng(3)
    for _ in range(200):
        flags = draw.integers(0, 256, size=int(draw.integers(1, 40))).astype(np.uint8)
        flags[draw.random(len(flags)) < 0.8] &= 255 - SPECIAL
        assert units_at(flags, level).tolist() == units_one_by_one(flags, level)


@pytest.mark.parametrize("level", LEVELS)
@given(flags=st.lists(st.integers(0, 255), max_size=60))
def test_every_token_of_any_flags_is_in_one_unit_that_stands_together(level, flags):
    units = units_at(np.array(flags, np.uint8), level).tolist()
    assert [unit > 0 for unit in units] == [not flag & SPECIAL for flag in flags]
    stretches = [unit for unit, _ in groupby(units) if unit]
    assert stretches == list(range(1, len(stretches) + 1))


def test_levels_name_what_a_token_falls_into():
    flags = flags_of(5, words=(1, 2), phrases=((2, 4),), entities=((3, 4),), specials=(0,))
    named = {level: [LEVEL_NAMES[n] for n in token_levels(flags, level)] for level in ("word", "phrase", "entity")}
    assert named == {
        "word": ["special", "word", "word", "word", "word"],
        "phrase": ["special", "word", "phrase", "phrase", "word"],
        "entity": ["special", "word", "phrase", "entity", "word"],
    }
