"""How many tokens are masked, and which units that buys.

Two rules. Google's counts tokens: so many a sequence, [CLS] and [SEP] counted in its length, whole units in random
order, passing over what does not fit. The expectation rule counts nothing: every unit is chosen with the same
probability, so a sequence has no least and no most. [UNK] is a token like any other in both: it is counted and may be
chosen. U is the number of units.
"""

from __future__ import annotations

import numpy as np

from corpus_tools.compiled import compiled
from corpus_tools.draw import uniform
from corpus_tools.schema import Bools, Ints, Offsets


def google_budget(lengths: Offsets, rate: float, max_predictions: int | None = None) -> Offsets:
    """Return how many tokens of each sequence are masked: its share, at least 1, at most `max_predictions`.

    Args:
        lengths: tokens of the sequences, [CLS] and [SEP] included. [B]
        rate: share of them, in (0, 1).
        max_predictions: the most a sequence may have; None for no such cap.

    Source: `num_to_predict` of create_masked_lm_predictions, google-research/bert. Halves round to even there too.
    """
    budgets: Offsets = np.maximum(1, np.rint(lengths * rate)).astype(np.int64)
    return budgets if max_predictions is None else np.minimum(max_predictions, budgets)


@compiled
def spend_budget(sizes: Ints, budget: int, state: np.uint64, order: Ints, picked: Bools) -> None:
    """Pick units in random order until no unit left over fits the budget.

    A unit that does not fit is passed over and a shorter one later in the order may still
    be taken, so a sequence can end below its budget but never above it.

    The order is a Fisher-Yates shuffle drawn as it goes: place i is swapped with place i + floor(u_i * (U - i)),
    u_i being the i-th number of the stream. So only as much of it is shuffled as the budget needs, and any
    language can draw it again bit by bit.

    Args:
        sizes: tokens in each unit, at least 1. [U]
        budget: the most tokens to pick, at least 0.
        state: names the stream; the same state gives the same picks anywhere.
        order: room to work in. [U]
        picked: set where a unit is picked. [U]

    Source: the selection loop of create_masked_lm_predictions, google-research/bert.
    """
    n_units = len(sizes)
    smallest = budget + 1
    for unit in range(n_units):
        order[unit] = unit
        smallest = min(smallest, sizes[unit])
    for place in range(n_units):
        if budget < smallest:
            break
        partner = place + int(uniform(state, place) * (n_units - place))
        unit = order[partner]
        order[partner] = order[place]  # `place` is never looked at again, so half the swap is enough
        if sizes[unit] <= budget:
            budget -= sizes[unit]
            picked[unit] = True


@compiled
def pick_by_chance(rate: float, state: np.uint64, picked: Bools) -> None:
    """Pick each unit with probability `rate`, independently of the others and of its size.

    The expected share of masked tokens is `rate` whatever the units' sizes. A short sequence may get none.

    Args:
        rate: the probability.
        state: names the stream.
        picked: set where a unit is picked. [U]

    Source: mask_word and mask_char of PaddlePaddle/ERNIE, commit d8afc4d.
    """
    for unit in range(len(picked)):
        picked[unit] = uniform(state, unit) < rate
