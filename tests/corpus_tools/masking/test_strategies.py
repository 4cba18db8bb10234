"""Every strategy chooses whole units of its level, within its budget, at its rate, and never a special token."""

import numpy as np
import pytest

from corpus_tools.errors import SettingsError
from corpus_tools.masking import MASKINGS, build_masking
from corpus_tools.masking.budgets import google_budget as google_budgets
from corpus_tools.schema import NO_SPANS, SPECIAL, WORD

NAMES = tuple(MASKINGS)


def google_budget(length, rate, cap=None):
    return google_budgets(np.array([length]), rate, cap)[0]


def select(masking, flags, key):
    chosen = np.full(len(flags), -1, np.int32)
    masking.select(flags, NO_SPANS, key, chosen)
    return chosen


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("budget", ["google", "expectation"])
def test_chosen_tokens_are_whole_units_and_never_special(name, budget, sequence):
    masking = build_masking({"name": name, "budget": budget})
    for number in range(30):
        _, flags = sequence(number, length=128)
        units = masking.units(flags, NO_SPANS)
        chosen = select(masking, flags, (1, 0, number))

        assert not chosen[flags == SPECIAL].any()
        for unit in range(1, units.max() + 1):
            inside = chosen[units == unit]
            assert (inside == 0).all() or (inside == unit).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_google_budget_is_never_passed_and_nearly_spent(name, sequence):
    masking = build_masking({"name": name})
    for number in range(50):
        length = 64 + number
        n_chosen = np.count_nonzero(select(masking, sequence(number, length)[1], (2, 0, number)))
        assert google_budget(length, 0.15) - 3 <= n_chosen <= google_budget(length, 0.15)


def test_characters_spend_the_google_budget_exactly(sequence):
    masking = build_masking({"name": "char", "max_predictions": 20})
    for number in range(200):
        length = 5 + number
        flags = sequence(number, length)[1]
        assert np.count_nonzero(select(masking, flags, (2, 0, number))) == google_budget(length, 0.15, 20)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("budget", ["google", "expectation"])
def test_the_realised_rate_is_the_expected_one(name, budget, sequence):
    masking = build_masking({"name": name, "budget": budget})
    n_chosen = n_counted = expected = 0.0
    for number in range(600):
        flags = sequence(number % 60)[1]
        n_chosen += np.count_nonzero(select(masking, flags, (3, number)))
        n_counted += masking.counted(flags)
        expected += masking.expected(flags)
    assert expected / n_counted == pytest.approx(0.15, abs=0.001)
    assert n_chosen / n_counted == pytest.approx(expected / n_counted, abs=0.002)


def test_the_rules_count_with_and_without_special_tokens(sequence):
    flags = sequence(0, length=100)[1]
    google, expectation = build_masking({"name": "wwm"}), build_masking({"name": "wwm", "budget": "expectation"})
    assert (google.counted(flags), google.expected(flags)) == (100, 15)
    assert (expectation.counted(flags), expectation.expected(flags)) == (97, pytest.approx(0.15 * 97))


def test_whole_words_of_one_character_are_character_masking(sequence):
    flags = sequence(0, length=100)[1]
    flags[flags != SPECIAL] = WORD
    words, characters = build_masking({"name": "wwm"}), build_masking({"name": "char"})
    for number in range(20):
        np.testing.assert_array_equal(select(words, flags, (9, number)), select(characters, flags, (9, number)))


def test_a_choice_depends_on_the_key_alone(sequence):
    masking = build_masking({"name": "entity"})
    flags = sequence(4)[1]
    first = select(masking, flags, (5, 1, 7))
    select(masking, sequence(5)[1], (5, 1, 8))
    np.testing.assert_array_equal(first, select(masking, flags, (5, 1, 7)))
    assert (first != select(masking, flags, (5, 2, 7))).any()


def test_a_sequence_of_special_tokens_alone_has_nothing_to_choose():
    flags = np.full(2, SPECIAL, np.uint8)
    for name in NAMES:
        assert not select(build_masking({"name": name}), flags, (0,)).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "wmm"}, "masking: 'wmm' is not known. Did you mean 'wwm'"),
        ({"name": "wwm", "rat": 0.2}, "masking.rat: wwm has no such setting. Did you mean 'rate'"),
        ({"name": "wwm", "rate": 0}, "masking.rate: 0 is not a number between 0 and 1"),
        ({"name": "wwm", "rate": float("nan")}, "masking.rate: nan"),
        ({"name": "wwm", "rate": "0.15"}, "masking.rate: '0.15'"),
        ({"name": "wwm", "rate": True}, "masking.rate: True"),
        ({"name": "wwm", "budget": "gogle"}, "masking.budget: 'gogle' is not known. Did you mean 'google'"),
        ({"name": "wwm", "budget": []}, "masking.budget: \\[\\] is not known"),
        ({"name": "wwm", "max_predictions": 0}, "masking.max_predictions: 0"),
        ({"name": "wwm", "max_predictions": 2.0}, "masking.max_predictions: 2.0"),
        ({"name": "wwm", "budget": "expectation", "max_predictions": 9}, "the expectation budget has no cap"),
    ],
)
def test_a_wrong_setting_is_named(settings, message):
    with pytest.raises(SettingsError, match=message):
        build_masking(settings)
