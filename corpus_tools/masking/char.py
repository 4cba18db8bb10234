"""Character masking: every token draws on its own, a Chinese character as much as a piece of a Latin word.

Source: Devlin et al. 2018, arXiv:1810.04805; create_masked_lm_predictions of google-research/bert. With the
expectation budget it is the first stage of ERNIE (Sun et al. 2019, arXiv:1904.09223).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from corpus_tools.masking.units import Level
from corpus_tools.masking.whole_units import WholeUnits


@dataclass(frozen=True, kw_only=True)
class CharacterMasking(WholeUnits):
    """Choose single tokens."""

    level: ClassVar[Level] = "character"
