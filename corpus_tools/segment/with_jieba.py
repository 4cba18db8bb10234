"""Words by jieba (default mode, HMM on), as character offsets.

Same words as `jieba.tokenize` on the whole text, except inside unbroken runs of over LONGEST_RUN characters, which are
cut and counted. Nothing is shared with the process's other users of jieba: an own `Tokenizer`, no cache on disk (jieba
believes whatever lies in /tmp/jieba.cache), and an own set of forbidden words.

Source: jieba 0.42.1, `Tokenizer.cut`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate, chain
from types import ModuleType
from typing import Any, Final

import numpy as np

from corpus_tools.jieba_dictionary import checked_paths, dictionaries_hash, jieba_dictionary_path, user_entries
from corpus_tools.schema import Offsets

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
class JiebaSegmenter:
    """jieba's words. Loading takes about a second."""

    dictionaries: Sequence[str] = ()
    """User dictionary files, applied in this order on top of jieba's own."""

    fingerprint: str = field(init=False)
    long_runs_cut: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.dictionaries = checked_paths(self.dictionaries)
        self._jieba = _import_jieba()
        self._forbidden: set[str] = set()
        self._tokenizer = self._load()
        version = self._jieba.__version__
        self.fingerprint = f"jieba-{version}-hmm-{LONGEST_RUN}-{dictionaries_hash(self.dictionaries)}"

    def starts(self, texts: Sequence[str]) -> list[Offsets]:
        """Return where the words of each text begin. [words of the text] each"""
        with self._own_forbidden_words():
            return [self._starts(text) for text in texts]

    def _starts(self, text: str) -> Offsets:
        lengths = np.fromiter(self._word_lengths(text), np.int64)
        return np.cumsum(lengths) - lengths

    def _word_lengths(self, text: str) -> Iterator[int]:
        for line in _LINE.findall(text):
            if len(line) <= LONGEST_RUN:
                yield from map(len, self._tokenizer.cut(line))
            else:
                yield from self._long_line_lengths(line)

    def _long_line_lengths(self, line: str) -> Iterator[int]:
        position = 0
        for match in _LONG_RUN.finditer(line):
            self.long_runs_cut += 1
            yield from map(len, self._tokenizer.cut(line[position : match.start()]))
            yield from self._long_run_lengths(match[0])
            position = match.end()
        yield from map(len, self._tokenizer.cut(line[position:]))

    def _long_run_lengths(self, run: str) -> Iterator[int]:
        """Cut a long run window by window, each time between two words, well before the window's end."""
        position = 0
        while len(run) - position > LONGEST_RUN:
            lengths = [len(word) for word in self._tokenizer.cut(run[position : position + LONGEST_RUN])]
            settled = sum(end <= LONGEST_RUN - _MARGIN for end in accumulate(lengths))
            kept = lengths[:settled] or lengths  # one word fills the window: a Latin run
            position += sum(kept)
            yield from kept
        yield from map(len, self._tokenizer.cut(run[position:]))

    def _load(self) -> Any:
        tokenizer = self._jieba.Tokenizer()
        # What `initialize` does, less its cache and its log lines.
        with jieba_dictionary_path().open("rb") as file:
            tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(file)
        tokenizer.initialized = True
        with self._own_forbidden_words():
            for entry in chain.from_iterable(map(user_entries, self.dictionaries)):
                tokenizer.add_word(*entry)
        return tokenizer

    @contextmanager
    def _own_forbidden_words(self) -> Iterator[None]:
        """Lend jieba this segmenter's words of frequency 0: it keeps them in one set for the whole process."""
        others = self._jieba.finalseg.Force_Split_Words
        self._jieba.finalseg.Force_Split_Words = self._forbidden
        try:
            yield
        finally:
            self._jieba.finalseg.Force_Split_Words = others


def _import_jieba() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in its source, and its use of pkg_resources
        import jieba

    module: ModuleType = jieba
    return module
