"""Scores of labels against counts made by hand."""

import pytest

from cn_bert.evaluate.labels import accuracy, macro_f1, majority_share


def test_accuracy_is_the_share_of_right_labels():
    assert accuracy(["0", "1", "1", "0"], ["0", "1", "0", "0"]) == 0.75


def test_macro_f1_averages_over_labels_and_not_over_examples():
    gold, predicted = ["a", "a", "a", "b"], ["a", "a", "a", "a"]

    assert macro_f1(gold, predicted) == pytest.approx((6 / 7 + 0) / 2)


def test_majority_share_is_the_accuracy_of_the_commonest_label():
    gold = ["a", "b", "b"]

    assert majority_share(gold) == accuracy(gold, ["b"] * 3)


@pytest.mark.parametrize("score", [lambda: accuracy([], []), lambda: macro_f1([], []), lambda: majority_share([])])
def test_scoring_nothing_is_refused(score):
    with pytest.raises(ValueError, match="no labels"):
        score()


def test_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="zip"):
        accuracy(["a"], ["a", "b"])
