"""What documents are compared by: the letters and digits of their text, and every stretch of SHINGLE of them.

Case, width (Ａ and A, ｱ and ア), punctuation and white space do not enter: they change when a page is copied.
Traditional and simplified characters stay different.

Letters: D documents, C characters of a batch, F of them that are compared, S shingles.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.draw import extended
from corpus_tools.schema import Offsets
from corpus_tools.table_cache import cached
from corpus_tools.text.batch import TextBatch

Hashes = npt.NDArray[np.uint64]

SHINGLE: Final = 5
"""Characters of a shingle: about three words. Unrelated texts share few of them, and a changed character costs five."""

_N_CODES: Final = 0x110000


@dataclass(frozen=True, slots=True)
class Forms:
    """The form in which a character is compared."""

    of: npt.NDArray[np.uint32]
    """Of each code point; 0 where it is neither letter nor digit. [0x110000]"""


@dataclass(frozen=True, slots=True)
class Compared:
    """The characters of some documents that are compared, in their forms, end to end."""

    codes: npt.NDArray[np.uint32]
    """[F]"""
    bounds: Offsets
    """Where those of each document begin, and F. [D + 1]"""


def forms() -> Forms:
    """Return the table, made at the first call."""
    return cached(Forms, f"1 unicode {unicodedata.unidata_version}", _forms)


def _forms() -> Forms:
    of = np.zeros(_N_CODES, np.uint32)
    for code in range(_N_CODES):
        character = chr(code)
        if character.isalnum():
            form = unicodedata.normalize("NFKC", character).lower()
            of[code] = ord(form) if len(form) == 1 else code
    return Forms(of)


def compared(batch: TextBatch, table: Forms) -> Compared:
    """Leave out what is not compared and bring the rest into its form."""
    codes = table.of[batch.codes]
    kept = codes != 0
    before = np.concatenate((np.zeros(1, np.int64), np.cumsum(kept)))
    return Compared(codes[kept], before[batch.bounds])


def text_hashes(batch: TextBatch, found: Compared) -> Hashes:
    """Return 128 bits for each document, equal where what is compared is equal.

    A text without letters and digits is compared as it is. [2, D]
    """
    made = bytearray()
    for number in range(len(found.bounds) - 1):
        codes = found.codes[found.bounds[number] : found.bounds[number + 1]]
        if not len(codes):
            codes = batch.codes[batch.bounds[number] : batch.bounds[number + 1]]
        made += hashlib.blake2b(codes.tobytes(), digest_size=16).digest()
    return np.frombuffer(bytes(made), np.uint64).reshape(-1, 2).T


def shingle_hashes(found: Compared) -> tuple[Hashes, Offsets]:
    """Return the hashes of all shingles [S] and where those of each document begin, and S [D + 1].

    A document shorter than SHINGLE is one shingle; one of which nothing is compared has none.
    """
    lengths = np.diff(found.bounds)
    counts = np.where(lengths > 0, np.maximum(lengths - SHINGLE + 1, 1), 0)
    bounds = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
    hashes = np.empty(bounds[-1], np.uint64)
    _hash(found.codes, found.bounds, SHINGLE, bounds, hashes)
    return hashes, bounds


@compiled
def _hash(
    codes: npt.NDArray[np.uint32], ends: Offsets, size: int, bounds: Offsets, hashes: npt.NDArray[np.uint64]
) -> None:
    for document in range(len(bounds) - 1):
        for shingle in range(bounds[document + 1] - bounds[document]):
            first = ends[document] + shingle
            state = np.uint64(0)
            for at in range(first, min(first + size, ends[document + 1])):
                state = extended(state, codes[at])
            hashes[bounds[document] + shingle] = state
