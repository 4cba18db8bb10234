"""How many tokens are masked, and which units that buys.

Two rules. Google's counts tokens: so many a sequence, [CLS] and [SEP] counted in its length, whole units in random
order, passing over what does not fit. The expectation rule counts nothing: every unit is chosen with the same
probability, so a sequence has no least and no most. [UNK] is a token like any other in both: it is counted and may be
chosen. U is the number of units.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from corpus_tools.draw import Key, uniforms
from corpus_tools.schema import Bools


def google_budget(length: int, rate: float, max_predictions: int | None = None) -> int:
    """Return how many tokens of a sequence are masked: its share, at least 1, at most `max_predictions`.

    Args:
        length: tokens of the sequence, [CLS] and [SEP] included.
        rate: share of them, in (0, 1).
        max_predictions: the most a sequence may have; None for no such cap.

    Source: `num_to_predict` of create_masked_lm_predictions, google-research/bert. Halves round to even there too.
    """
    budget = max(1, round(length * rate))
    return budget if max_predictions is None else min(max_predictions, budget)


def spend_budget(sizes: npt.NDArray[np.integer], budget: int, key: Key) -> Bools:
    """Pick units in random order until no unit left over fits the budget.

    A unit that does not fit is passed over and a shorter one later in the order may still
    be taken, so a sequence can end below its budget but never above it.

    The order is a Fisher-Yates shuffle drawn as it goes: place i is swapped with place i + floor(u_i * (U - i)),
    u_i being the i-th number of the key's stream. So only as much of it is shuffled as the budget needs, and any
    language can draw it again bit by bit.

    Args:
        sizes: tokens in each unit, at least 1. [U]
        budget: the most tokens to pick.
        key: names the stream; the same key gives the same picks anywhere.

    Returns:
        Which units are picked. [U]

    Raises:
        ValueError: a size is below 1 or the budget is negative.

    Source: the selection loop of create_masked_lm_predictions, google-research/bert.
    """
    n_units = len(sizes)
    smallest = int(sizes.min()) if n_units else 1
    if smallest < 1 or budget < 0:
        raise ValueError(f"sizes start at 1 and a budget at 0; got a size of {smallest} and a budget of {budget}")
    places = np.arange(n_units)
    partners = places + (uniforms(key, n_units) * (n_units - places)).astype(np.int64)
    order, size_of = list(range(n_units)), sizes.tolist()
    taken = []
    for place, partner in enumerate(partners.tolist()):
        if budget < smallest:
            break
        unit = order[partner]
        order[partner] = order[place]  # `place` is never looked at again, so half the swap is enough
        if size_of[unit] <= budget:
            budget -= size_of[unit]
            taken.append(unit)
    picked = np.zeros(n_units, np.bool_)
    picked[taken] = True
    return picked


def pick_by_chance(n_units: int, rate: float, key: Key) -> Bools:
    """Pick each unit with probability `rate`, independently of the others and of its size. [U]

    The expected share of masked tokens is `rate` whatever the units' sizes. A short sequence may get none.

    Source: mask_word and mask_char of PaddlePaddle/ERNIE, commit d8afc4d.
    """
    picked: Bools = uniforms(key, n_units) < rate
    return picked
