"""Scores of predicted labels: shares between 0 and 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def accuracy(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the share of labels that are right.

    Raises:
        ValueError: nothing to score, or the two differ in length.
    """
    if not gold:
        raise ValueError("no labels to score")
    return sum(a == b for a, b in zip(gold, predicted, strict=True)) / len(gold)


def macro_f1(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the mean over labels of F1, so that a rare label counts as much as a common one.

    Labels that occur on either side are averaged; one that is never right has F1 0.

    Raises:
        ValueError: nothing to score, or the two differ in length.
    """
    if not gold:
        raise ValueError("no labels to score")
    right = Counter(a for a, b in zip(gold, predicted, strict=True) if a == b)
    in_gold, in_predicted = Counter(gold), Counter(predicted)
    labels = in_gold.keys() | in_predicted.keys()
    return sum(2 * right[label] / (in_gold[label] + in_predicted[label]) for label in labels) / len(labels)


def majority_share(gold: Sequence[str]) -> float:
    """Return the accuracy of always answering the commonest label: what any model has to beat.

    Raises:
        ValueError: nothing to score.
    """
    if not gold:
        raise ValueError("no labels to score")
    return max(Counter(gold).values()) / len(gold)
