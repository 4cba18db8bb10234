"""The jieba package, loaded for ourselves: no cache on disk, no state shared with the process's other users of it.

Source: jieba 0.42.1, `Tokenizer.initialize` and `load_userdict`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import chain
from types import ModuleType
from typing import Any, Final

from corpus_tools.jieba_dictionary import dictionaries_hash, jieba_dictionary_path, user_entries


class LoadedJieba:
    """A `jieba.Tokenizer` with jieba's dictionary and the user's. Takes about a second."""

    def __init__(self, dictionaries: Sequence[str] = ()) -> None:
        """Load the dictionaries, the user's in this order on top of jieba's own.

        Raises:
            MissingInputError, DataError: a dictionary is missing or cannot be used.
        """
        self._jieba = import_jieba()
        self._forbidden: set[str] = set()
        self.tokenizer: Final[Any] = self._jieba.Tokenizer()
        # What `initialize` does, less its cache (it believes whatever lies in /tmp/jieba.cache) and its log lines.
        with jieba_dictionary_path().open("rb") as file:
            self.tokenizer.FREQ, self.tokenizer.total = self.tokenizer.gen_pfdict(file)
        self.tokenizer.initialized = True
        with self.own_forbidden_words():
            for entry in chain.from_iterable(map(user_entries, dictionaries)):
                self.tokenizer.add_word(*entry)

    @property
    def finalseg(self) -> ModuleType:
        """The part of jieba that finds unknown words."""
        module: ModuleType = self._jieba.finalseg
        return module

    @contextmanager
    def own_forbidden_words(self) -> Iterator[None]:
        """Lend jieba this tokenizer's words of frequency 0: it keeps them in one set for the whole process."""
        others = self.finalseg.Force_Split_Words
        self.finalseg.Force_Split_Words = self._forbidden  # type: ignore[attr-defined]
        try:
            yield
        finally:
            self.finalseg.Force_Split_Words = others  # type: ignore[attr-defined]


def import_jieba() -> ModuleType:
    """Import jieba without the warnings that its age brings along."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in its source, and its use of pkg_resources
        import jieba

    module: ModuleType = jieba
    return module


def jieba_hash(dictionaries: Sequence[str]) -> str:
    """Name what decides jieba's words: its version, its dictionary and the user's."""
    return f"{version('jieba')}-{dictionaries_hash(dictionaries)}"
