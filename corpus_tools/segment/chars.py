"""Each character a word of its own: what whole-word masking is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from corpus_tools.schema import WORD, Flags
from corpus_tools.text.batch import TextBatch


@dataclass(frozen=True)
class Chars:
    """Every character begins a word, those of Latin words too; a token of several characters joins them again."""

    fingerprint: ClassVar[str] = "chars-1"
    long_runs_cut: ClassVar[int] = 0

    def mark(self, batch: TextBatch, marks: Flags) -> None:
        """Set WORD where a word begins: everywhere. [C]"""
        marks |= WORD
