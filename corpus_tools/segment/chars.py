"""Each character a word of its own: what whole-word masking is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from corpus_tools.schema import Offsets


@dataclass(frozen=True)
class Chars:
    """Every character begins a word, those of Latin words too; a token of several characters joins them again."""

    fingerprint: ClassVar[str] = "chars-1"
    long_runs_cut: ClassVar[int] = 0

    def starts(self, texts: Sequence[str]) -> list[Offsets]:
        """Return where the words of each text begin: everywhere. [characters of the text] each"""
        return [np.arange(len(text), dtype=np.int64) for text in texts]
