"""Words by a function of the user's: from one text to a list of words that make it up."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from corpus_tools.errors import DataError, SettingsError
from corpus_tools.schema import WORD, Flags, Offsets
from corpus_tools.text.batch import TextBatch


@dataclass(eq=False)
class ByFunction:
    """Calls the function once a text; it must be importable, so that each worker process finds it."""

    function: str
    """Where it stands: "module:function"."""

    fingerprint: str = field(init=False)
    """Covers the text of the function's module, not what that module imports in turn."""
    long_runs_cut: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._segment = _find(self.function)
        self.fingerprint = f"by_function-{self.function}-{_source_hash(self._segment)}"

    def mark(self, batch: TextBatch, marks: Flags) -> None:
        """Set WORD where a word begins. [C]

        Raises:
            DataError: the words do not make up the text, or are no list of strings.
            Whatever the function raises.
        """
        for number, (text, first) in enumerate(zip(batch.texts, batch.bounds.tolist(), strict=False)):
            document = f", document {batch.documents[number].id}" if batch.documents else ""
            marks[first + self._starts(text, f"segmenter {self.function}{document}")] |= WORD

    def _starts(self, text: str, place: str) -> Offsets:
        try:
            words = self._segment(text)
        except Exception as error:
            error.add_note(f"This was {place}.")
            raise
        if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
            raise DataError(f"{place}: returned no list of strings for {text[:40]!r}")
        joined = "".join(words)
        if joined != text:
            at = next(at for at, (a, b) in enumerate(zip_longest(joined, text)) if a != b)
            raise DataError(
                f"{place}: its words do not make up the text. At character {at} the text has "
                f"{text[at : at + 20]!r}, the words have {joined[at : at + 20]!r}. Return spaces as words too"
            )
        lengths = np.fromiter((len(word) for word in words if word), np.int64)
        return np.cumsum(lengths) - lengths


def _find(place: str) -> Callable[[str], Any]:
    module, _, name = place.partition(":")
    try:
        found: Any = getattr(import_module(module), name) if module and name else None
    except ModuleNotFoundError as error:
        raise SettingsError(f"segmenter: {place}: no module {error.name!r}; is its folder in PYTHONPATH?") from error
    except AttributeError as error:
        raise SettingsError(f"segmenter: {place}: {error}") from error
    if not callable(found):
        raise SettingsError(f"segmenter: {place!r} is not 'module:function'")
    function: Callable[[str], Any] = found
    return function


def _source_hash(function: Callable[[str], Any]) -> str:
    try:
        path = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:  # a builtin or an object that is called: only its name is known
        path = None
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else "unknown"
