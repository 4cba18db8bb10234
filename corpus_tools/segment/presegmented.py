"""Words of a text that already has spaces between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from corpus_tools.schema import Offsets

_WORD_OR_SPACE: Final = re.compile(r"\s+|\S+")


@dataclass(frozen=True)
class Presegmented:
    """A word is a run between white space (any of Unicode's); each run of white space counts as a word of its own."""

    fingerprint: ClassVar[str] = "presegmented-1"
    long_runs_cut: ClassVar[int] = 0

    def starts(self, texts: Sequence[str]) -> list[Offsets]:
        """Return where the words of each text begin. [words of the text] each"""
        return [np.fromiter((match.start() for match in _WORD_OR_SPACE.finditer(text)), np.int64) for text in texts]
