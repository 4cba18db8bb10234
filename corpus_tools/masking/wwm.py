"""Whole-word masking: every token of a chosen word is selected.

Source: Cui et al. 2019, arXiv:1906.08101; the budget is google-research/bert's create_masked_lm_predictions.
Ours: words come from the shard's flags, so nothing is segmented again; a word cut by the sequence's end is the
word its remaining tokens make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from corpus_tools.masking.units import Level
from corpus_tools.masking.whole_units import WholeUnits


@dataclass(frozen=True, kw_only=True)
class WholeWordMasking(WholeUnits):
    """Choose whole words."""

    level: ClassVar[Level] = "word"
