"""Phrase masking: every token of a chosen phrase is selected; what no phrase covers falls into words.

Source: the second stage of ERNIE, Sun et al. 2019, arXiv:1904.09223.
Ours: phrases come from lists given to `build`, since the paper's own tool was never published, and the words between
them draw as well, as in Baidu's released code: phrases alone would never reach the rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from corpus_tools.masking.units import Level
from corpus_tools.masking.whole_units import WholeUnits


@dataclass(frozen=True, kw_only=True)
class PhraseMasking(WholeUnits):
    """Choose whole phrases, and whole words between them."""

    level: ClassVar[Level] = "phrase"
