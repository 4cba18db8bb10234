"""Right guesses by word length and by kind, against counts made token by token."""

from __future__ import annotations

import numpy as np
import pytest
from marked_guesses import KINDS, draw_guesses

from cn_bert.report.guesses import Guesses
from cn_bert.report.tally import LONGEST, Tally, by_kind, by_word_length, word_bounds
from corpus_tools.schema import IN_ENTITY, SPECIAL, WORD


def words_one_by_one(flags: np.ndarray) -> list[list[int]]:
    words: list[list[int]] = []
    fresh = True
    for place, flag in enumerate(flags.tolist()):
        if flag & SPECIAL:
            fresh = True
            continue
        if fresh or flag & WORD:
            words.append([])
        words[-1].append(place)
        fresh = False
    return words


def tally_one_by_one(name: str, guesses: Guesses, units: list[list[int]]) -> Tally:
    right = dict(zip(guesses.positions.tolist(), guesses.right.tolist(), strict=True))
    masked = [[place for place in unit if place in right] for unit in units]
    whole = [unit for unit, told in zip(units, masked, strict=True) if told == unit]
    return Tally(
        name,
        sum(map(len, masked)),
        sum(right[place] for told in masked for place in told),
        len(whole),
        sum(all(right[place] for place in unit) for unit in whole),
    )


@pytest.mark.parametrize("seed", range(10))
def test_words_begin_at_their_marks_and_behind_special_tokens(seed: int) -> None:
    flags = draw_guesses(seed).text.flags
    starts, ends = word_bounds(flags)
    words = words_one_by_one(flags)
    assert starts.tolist() == [word[0] for word in words]
    assert ends.tolist() == [word[-1] + 1 for word in words]


@pytest.mark.parametrize("seed", range(10))
def test_right_guesses_by_word_length_are_those_counted_one_by_one(seed: int) -> None:
    guesses = draw_guesses(seed)
    words = words_one_by_one(guesses.text.flags)
    found = by_word_length(guesses)
    for length, tally in enumerate(found, start=1):
        own = [word for word in words if min(len(word), LONGEST) == length]
        assert tally == tally_one_by_one(tally.name, guesses, own)
    assert sum(tally.tokens for tally in found) == len(guesses.positions)
    assert [tally.name for tally in found] == ["1 token", "2 tokens", "3 tokens", "4 or more tokens"]


@pytest.mark.parametrize("seed", range(10))
def test_right_guesses_by_kind_are_those_counted_one_by_one(seed: int) -> None:
    guesses = draw_guesses(seed)
    expected = []
    for name, number in (("person (entity)", 2), ("place (entity)", 1), ("term (phrase)", 0)):
        units = [list(range(start, end)) for start, end, kind in guesses.text.spans.tolist() if kind == number]
        expected.append(tally_one_by_one(name, guesses, units))
    outside = [word for word in words_one_by_one(guesses.text.flags) if not guesses.text.flags[word[0]] & IN_ENTITY]
    expected.append(tally_one_by_one("words in no entity", guesses, outside))
    assert by_kind(guesses, KINDS) == [tally for tally in expected if tally.tokens]
