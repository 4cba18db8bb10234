"""Entity masking: every token of a chosen entity is selected; the rest falls into phrases, then into words.

Source: the third stage of ERNIE, Sun et al. 2019, arXiv:1904.09223.
Ours: entities come from the user's lists and from dictionary tags. They cover about 7 % of real text, so masking them
alone could never reach 15 %; that is why phrases and words draw beside them, with the same probability a unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from corpus_tools.masking.units import Level
from corpus_tools.masking.whole_units import WholeUnits


@dataclass(frozen=True, kw_only=True)
class EntityMasking(WholeUnits):
    """Choose whole entities, and whole phrases and words between them."""

    level: ClassVar[Level] = "entity"
