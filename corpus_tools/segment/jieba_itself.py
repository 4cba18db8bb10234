"""Words by the jieba package itself, as character offsets: what the compiled segmenter is measured against.

Same words as `jieba.tokenize` on the whole text, except inside unbroken runs of over LONGEST_RUN characters, which are
cut and counted. Nothing is shared with the process's other users of jieba: an own `Tokenizer`, no cache on disk (jieba
believes whatever lies in /tmp/jieba.cache), and an own set of forbidden words.

Source: jieba 0.42.1, `Tokenizer.cut`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

import numpy as np

from corpus_tools.jieba_dictionary import checked_paths
from corpus_tools.schema import WORD, Flags, Offsets
from corpus_tools.segment.loaded_jieba import LoadedJieba, jieba_hash
from corpus_tools.text.batch import TextBatch

LONGEST_RUN: Final = 4096
"""Characters that jieba gets in one run at most: its HMM copies the path at each step, so time is quadratic in them."""

_MARGIN: Final = 64
"""Words that end this near to a forced cut are segmented again with what follows them."""

# jieba's re_han_default: what stands between two characters outside this class is segmented on its own.
_RUN: Final = r"[\u4E00-\u9FD5a-zA-Z0-9+#&._%\-]"
_LONG_RUN: Final = re.compile(f"{_RUN}{{{LONGEST_RUN + 1},}}")

# Cutting after each "\n" changes no word. "\n" is outside _RUN, so no word crosses it; jieba's one word of two
# characters outside _RUN is "\r\n", and "\n" is its last.
_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(eq=False)
class JiebaItself:
    """jieba's words, found by jieba. Loading takes about a second."""

    dictionaries: Sequence[str] = ()
    """User dictionary files, applied in this order on top of jieba's own."""
    hmm: bool = True
    """Whether words that no dictionary has are found too."""

    fingerprint: str = field(init=False)
    long_runs_cut: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.dictionaries = checked_paths(self.dictionaries)
        self._loaded = LoadedJieba(self.dictionaries)
        self.fingerprint = f"jieba_itself-{LONGEST_RUN}-{jieba_hash(self.dictionaries)}{'' if self.hmm else '-no-hmm'}"

    def mark(self, batch: TextBatch, marks: Flags) -> None:
        """Set WORD where a word begins. [C]"""
        with self._loaded.own_forbidden_words():
            for text, first in zip(batch.texts, batch.bounds.tolist(), strict=False):
                marks[first + self._starts(text)] |= WORD

    def _starts(self, text: str) -> Offsets:
        lengths = np.fromiter(self._word_lengths(text), np.int64)
        return np.cumsum(lengths) - lengths

    def _word_lengths(self, text: str) -> Iterator[int]:
        for line in _LINE.findall(text):
            if len(line) <= LONGEST_RUN:
                yield from map(len, self._cut(line))
            else:
                yield from self._long_line_lengths(line)

    def _long_line_lengths(self, line: str) -> Iterator[int]:
        position = 0
        for match in _LONG_RUN.finditer(line):
            self.long_runs_cut += 1
            yield from map(len, self._cut(line[position : match.start()]))
            yield from self._long_run_lengths(match[0])
            position = match.end()
        yield from map(len, self._cut(line[position:]))

    def _long_run_lengths(self, run: str) -> Iterator[int]:
        """Cut a long run window by window, each time between two words, well before the window's end."""
        position = 0
        while len(run) - position > LONGEST_RUN:
            lengths = [len(word) for word in self._cut(run[position : position + LONGEST_RUN])]
            settled = sum(end <= LONGEST_RUN - _MARGIN for end in accumulate(lengths))
            kept = lengths[:settled] or lengths  # one word fills the window: a Latin run
            position += sum(kept)
            yield from kept
        yield from map(len, self._cut(run[position:]))

    def _cut(self, text: str) -> Iterator[str]:
        words: Iterator[str] = self._loaded.tokenizer.cut(text, HMM=self.hmm)
        return words
