"""Filters: which documents are worth training on, by length, script, symbols and repetition. All are off by default.

Everything is counted in characters, white space left out: Chinese has no spaces to count words by, and what is dropped
must not hang on a segmenter.

Letters: C characters of a document without its white space.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.double_array import code_points
from corpus_tools.errors import SettingsError
from corpus_tools.schema import Document
from corpus_tools.table_cache import cached
from corpus_tools.text.read import Reject

Codes = npt.NDArray[np.uint32]

REPEAT: Final = 16
"""Characters of a stretch that is called repeated where it stands in a document again: about ten words."""
MOST_COMPARED: Final = 1 << 22
"""A longer document's repetition is that of so many characters at its beginning, so that memory is bounded."""

# What a character is.
SYMBOL: Final = 0
SPACE: Final = 1
DIGIT: Final = 2
LETTER: Final = 3
HAN: Final = 4


@dataclass(frozen=True, slots=True)
class CharacterKinds:
    """What each character is."""

    kinds: npt.NDArray[np.uint8]
    """[code points]"""


@cache
def _kinds() -> npt.NDArray[np.uint8]:
    return cached(CharacterKinds, f"1 unicode {unicodedata.unidata_version}", _make_kinds).kinds


def _make_kinds() -> CharacterKinds:
    return CharacterKinds(np.array([_kind(chr(code)) for code in range(0x110000)], np.uint8))


def _kind(character: str) -> int:
    """Tell a Chinese character, another letter (accents that stand alone are letters), a digit, and what is neither."""
    if character.isspace():
        return SPACE
    if character == "〇" or unicodedata.name(character, "").startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEO")):
        return HAN
    return {"L": LETTER, "M": LETTER, "N": DIGIT}.get(unicodedata.category(character)[0], SYMBOL)


class Drop(NamedTuple):
    """Why a text is dropped."""

    reason: str
    """too_short, too_long, few_han, symbols or repetitive."""
    detail: str
    """What was measured, and what was asked for."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a document must be like to be kept. As they are by default, all are kept."""

    min_chars: int = 0
    max_chars: int | None = None
    """None for no bound."""
    min_han: float = 0.0
    """Share of Chinese characters among the letters, at least; in [0, 1]. Digits and punctuation do not count."""
    max_symbols: float = 1.0
    """Share of what is neither letter nor digit, punctuation included, at most; in [0, 1]."""
    max_repetition: float = 1.0
    """Share of characters in stretches of REPEAT that stood in the document before, at most; in [0, 1].

    Source: the duplicate n-grams of Rae et al. 2021, arXiv:2112.11446, Table A1. Ours: one length, in characters.
    """

    def __post_init__(self) -> None:
        if self.min_chars < 0:
            raise SettingsError(f"min_chars: {self.min_chars} is below 0")
        if self.max_chars is not None and self.max_chars < max(self.min_chars, 1):
            raise SettingsError(f"max_chars: {self.max_chars} is below {max(self.min_chars, 1)}: nothing could be kept")
        for name in ("min_han", "max_symbols", "max_repetition"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name}: {getattr(self, name):g} is not a share between 0 and 1")

    def sift(self, found: Iterable[Document | Reject]) -> Iterator[Document | Reject]:
        """Put a Reject in the place of each document that does not pass."""
        for item in found:
            drop = self.judge(item.text) if isinstance(item, Document) else None
            yield item if drop is None else Reject(item.id, item.source, drop.reason, drop.detail)

    def judge(self, text: str) -> Drop | None:
        """Say why a text is to be dropped, by the first filter in the order above that it does not pass."""
        return next(self._drops(text), None)

    def _drops(self, text: str) -> Iterator[Drop]:
        codes = code_points(text)
        kinds = _kinds()[codes]
        n_of = np.bincount(kinds, minlength=5)
        codes = codes[kinds != SPACE]
        n, n_letters = len(codes), int(n_of[HAN] + n_of[LETTER])
        if n < self.min_chars:
            yield Drop("too_short", f"{n:,} characters, at least {self.min_chars:,} asked for")
        if self.max_chars is not None and n > self.max_chars:
            yield Drop("too_long", f"{n:,} characters, at most {self.max_chars:,} asked for")
        if (han := n_of[HAN] / max(n_letters, 1)) < self.min_han:
            yield Drop("few_han", f"{han:.3f} of the letters are Chinese, at least {self.min_han:g} asked for")
        if (symbols := n_of[SYMBOL] / max(n, 1)) > self.max_symbols:
            yield Drop("symbols", f"{symbols:.3f} is punctuation and symbols, at most {self.max_symbols:g} asked for")
        if self.max_repetition < 1:
            codes = codes[:MOST_COMPARED]
            if (repeated := n_repeated(codes) / max(len(codes), 1)) > self.max_repetition:
                yield Drop(
                    "repetitive", f"{repeated:.3f} stood there before, at most {self.max_repetition:g} asked for"
                )


@compiled
def n_repeated(codes: Codes) -> int:
    """Count the characters in stretches of REPEAT characters that stand further ahead too.

    Stretches are kept in a table by a hash and compared character by character, so the count is exact.
    """
    n_stretches = len(codes) - REPEAT + 1
    if n_stretches < 2:
        return 0
    size = 4
    while size < 2 * n_stretches:
        size *= 2
    table = np.full(size, -1, np.int32)
    multiplier = np.uint64(0x9E3779B97F4A7C15)
    highest = np.uint64(1)
    rolling = np.uint64(0)
    for place in range(REPEAT):
        rolling = rolling * multiplier + np.uint64(codes[place])
        if place:
            highest *= multiplier
    counted = repeated = 0
    for start in range(n_stretches):
        slot = np.int64(rolling >> np.uint64(20)) & (size - 1)
        while table[slot] >= 0 and not _equal(codes, table[slot], start):
            slot = (slot + 1) & (size - 1)
        if table[slot] < 0:
            table[slot] = start
        else:
            repeated += start + REPEAT - max(start, counted)
            counted = start + REPEAT
        if start + REPEAT < len(codes):
            rolling = (rolling - highest * np.uint64(codes[start])) * multiplier + np.uint64(codes[start + REPEAT])
    return repeated


@compiled
def _equal(codes: Codes, one: int, other: int) -> bool:
    """Say whether the same stretch begins at two places."""
    n = 0
    while n < REPEAT and codes[one + n] == codes[other + n]:
        n += 1
    return n == REPEAT
