"""A sequence of the plan as arrays: its tokens between [CLS] and [SEP], their flags, spans and segments.

L is the length of the sequence, [CLS] and every [SEP] counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cn_bert.data.mixture import Mixture, cut_spans
from cn_bert.data.plan import Plan
from corpus_tools.masking.cut import Sequence as MaskedSequence
from corpus_tools.schema import NO_SPANS, SPECIAL, Spans, id_type


@dataclass(frozen=True, slots=True)
class Sequence(MaskedSequence):
    """`[CLS] A [SEP]`, and ` B [SEP]` where the plan has a second piece.

    A word that a piece cuts has no start in it; spans are cut at the edges of the pieces.
    """

    token_types: npt.NDArray[np.uint8]
    """0 up to the first [SEP], then 1. [L]"""
    is_next: int
    """1 where B goes on where A ends, 0 where it is random, -1 where nothing is said."""
    key: tuple[int, int, int]
    """(seed, epoch, sequence number): names the sequence's mask."""


def build_sequence(mixture: Mixture, plan: Plan, number: int) -> Sequence:
    """Gather a sequence of the plan from the shards.

    Args:
        mixture: the documents the plan was made for.
        plan: the epoch's plan.
        number: the sequence's number in it.
    """
    pieces = plan.pieces(number)
    length = 1 + sum(end - start + 1 for _, start, end in pieces)
    vocabulary = mixture.vocabulary
    ids = np.full(length, vocabulary.sep_id, id_type(vocabulary.size))
    ids[0] = vocabulary.cls_id
    flags = np.full(length, SPECIAL, np.uint8)
    token_types = np.zeros(length, np.uint8)
    spans = []
    at = 1
    for segment, (document, start, end) in enumerate(pieces):
        stop = at + end - start
        ids[at:stop] = mixture.ids(document)[start:end]
        flags[at:stop] = mixture.flags(document)[start:end]
        token_types[at : stop + 1] = segment
        spans.append(_shift(cut_spans(mixture.spans(document), start, end), at))
        at = stop + 1
    key = (plan.key.seed, plan.epoch, number)
    return Sequence(ids, flags, np.concatenate(spans), token_types, int(plan.is_next[number]), key)


def filler(mixture: Mixture) -> Sequence:
    """Make the sequence that stands in where rows do not divide among ranks: `[CLS] [SEP]`, nothing to predict."""
    vocabulary = mixture.vocabulary
    ids = np.array([vocabulary.cls_id, vocabulary.sep_id], id_type(vocabulary.size))
    flags = np.full(2, SPECIAL, np.uint8)
    return Sequence(ids, flags, NO_SPANS, np.zeros(2, np.uint8), -1, (0, 0, 0))


def _shift(spans: Spans, by: int) -> Spans:
    spans["start"] += np.uint32(by)
    spans["end"] += np.uint32(by)
    return spans
