"""Chosen tokens are replaced in the shares that were asked for, from the ids that were asked for."""

import numpy as np
import pytest

from corpus_tools.errors import DataError, SettingsError
from corpus_tools.masking import Corruption

N_UNITS, UNIT = 40_000, 2


@pytest.fixture
def long_row():
    """A row of 80,000 tokens in chosen pairs, with an unchosen token after each pair."""
    chosen = np.repeat(np.arange(1, N_UNITS + 1, dtype=np.int32), UNIT + 1)
    chosen[UNIT :: UNIT + 1] = 0
    return np.full(len(chosen), 700, np.uint16), chosen


def outcome(corruption, vocabulary, long_row, key=(1, 2, 3)):
    ids, chosen = long_row
    return corruption.corrupt(ids, chosen, key, vocabulary.mask_id, corruption.pool(vocabulary))


@pytest.mark.parametrize("per", ["token", "unit"])
def test_shares_are_eighty_ten_ten(per, vocabulary, long_row):
    corrupted = outcome(Corruption(per=per), vocabulary, long_row)[long_row[1] > 0]
    masked, kept = np.mean(corrupted == 103), np.mean(corrupted == 700)
    assert masked == pytest.approx(0.8, abs=0.01)
    assert kept == pytest.approx(0.1 + 0.1 / 1296, abs=0.01)
    assert 1 - masked - kept == pytest.approx(0.1, abs=0.01)


def test_what_was_not_chosen_and_the_input_stay_as_they_are(vocabulary, long_row):
    ids, chosen = long_row
    corrupted = outcome(Corruption(), vocabulary, long_row)
    assert (corrupted[chosen == 0] == 700).all()
    assert (ids == 700).all()
    assert corrupted.dtype == ids.dtype


@pytest.mark.parametrize(("per", "both_masked"), [("token", 0.64), ("unit", 0.8)])
def test_a_word_is_masked_in_full_as_often_as_the_scope_says(per, both_masked, vocabulary, long_row):
    corrupted = outcome(Corruption(per=per), vocabulary, long_row).reshape(N_UNITS, UNIT + 1)[:, :UNIT]
    assert np.mean((corrupted == 103).all(axis=1)) == pytest.approx(both_masked, abs=0.01)


def test_one_decision_a_unit_still_draws_random_tokens_singly(vocabulary, long_row):
    corruption = Corruption(mask=0, random=1, keep=0, per="unit")
    pairs = outcome(corruption, vocabulary, long_row).reshape(N_UNITS, UNIT + 1)[:, :UNIT]
    assert np.mean(pairs[:, 0] == pairs[:, 1]) < 0.01


def test_usable_random_tokens_leave_out_what_text_never_holds(vocabulary, long_row):
    corruption = Corruption(mask=0, random=1, keep=0)
    drawn = outcome(corruption, vocabulary, long_row)[long_row[1] > 0]
    assert np.array_equal(np.unique(drawn), np.arange(104, 1400))
    counts = np.bincount(drawn)[104:1400]  # binomial, mean 61.7, deviation 7.9
    assert np.abs(counts - 61.7).max() < 5 * 7.9


def test_vocabulary_random_tokens_are_all_of_it(vocabulary, long_row):
    corruption = Corruption(mask=0, random=1, keep=0, random_from="vocabulary")
    assert len(np.unique(outcome(corruption, vocabulary, long_row)[long_row[1] > 0])) == vocabulary.size


def test_replacement_depends_on_the_key_alone(vocabulary, long_row):
    first = outcome(Corruption(), vocabulary, long_row)
    np.testing.assert_array_equal(first, outcome(Corruption(), vocabulary, long_row))
    assert (first != outcome(Corruption(), vocabulary, long_row, key=(1, 2, 4))).any()


def test_nothing_chosen_changes_nothing(vocabulary, long_row):
    ids, chosen = long_row
    corruption = Corruption()
    same = corruption.corrupt(ids, np.zeros_like(chosen), (0,), 103, corruption.pool(vocabulary))
    np.testing.assert_array_equal(same, ids)


def test_a_vocabulary_without_usable_tokens_is_refused(vocabulary):
    nothing = type(vocabulary)(5, 4, np.ones(5, bool), np.zeros(5, bool), np.zeros(5, bool))
    with pytest.raises(DataError, match="nothing to draw from"):
        Corruption().pool(nothing)
    assert len(Corruption(mask=0.9, random=0, keep=0.1).pool(nothing)) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask": 0.9}, "sum to 1.1; they have to sum to 1"),
        ({"mask": 1.1, "random": -0.2}, "masking.corruption.mask: 1.1"),
        ({"keep": "0.1"}, "masking.corruption.keep: '0.1'"),
        ({"per": "word"}, "masking.corruption.per: 'word' is not known. Known: token, unit"),
        ({"random_from": "vocab"}, "Did you mean 'vocabulary'"),
    ],
)
def test_a_wrong_setting_is_named(settings, message):
    with pytest.raises(SettingsError, match=message):
        Corruption(**settings)
