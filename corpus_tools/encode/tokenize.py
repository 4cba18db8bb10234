"""Text to token ids, each with the characters it stands for.

Letters: D texts of a batch, L tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import chain
from typing import Final

import numpy as np
from tokenizers import Encoding, Tokenizer

from corpus_tools.encode.vocabulary import HAN_RANGES, Vocabulary
from corpus_tools.encode.wordpiece_kernel import tokenize
from corpus_tools.encode.wordpiece_tables import KIND_BITS, REORDERS, wordpiece_tables
from corpus_tools.schema import Ids, Offsets, id_type
from corpus_tools.text.batch import TextBatch

PIECE_CHARS: Final = 1 << 15
"""A longer text is given to the tokenizer in pieces of about this many characters, so that memory stays flat."""

# The tokenizer splits at white space and on both sides of a Chinese character, so a cut behind one changes no token.
_HAN: Final = "".join(f"{chr(first)}-{chr(last)}" for first, last in HAN_RANGES)
_SAFE_CUT: Final = re.compile(f"[\\n {_HAN}]")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a batch, text by text. Token i stands for characters [begins[i], ends[i]) of the batch.

    Offsets never decrease. Neighbours can stand for the same character (a Hangul syllable becomes several letters),
    and characters can be without a token (spaces, control characters).
    """

    ids: Ids
    """[L]"""
    begins: Offsets
    """[L]"""
    ends: Offsets
    """[L]"""
    bounds: Offsets
    """Where the tokens of each text begin, and L. [D + 1]"""


class CorpusTokenizer:
    """Tokenize untrusted text by a vocabulary: `[MASK]` in the text is text. The ids are the `tokenizers` library's."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Make or load the tables of a vocabulary; making them takes seconds."""
        self._library = LibraryTokenizer(vocabulary)
        self._id_type = id_type(vocabulary.size)
        tables = wordpiece_tables(vocabulary)
        self._moved = tables.actions & ((1 << KIND_BITS) - 1) == REORDERS
        self._tables = tuple(getattr(tables, each.name) for each in fields(tables))
        self._most = int(np.diff(tables.expansion_bounds).max(initial=1))

    def tokenize(self, batch: TextBatch) -> Tokens:
        """Return the tokens of a batch: ids as the library gives them, offsets in characters of the batch."""
        most = len(batch.codes) * self._most  # of which only what is used takes up memory
        ids, begins, ends = np.empty(most, self._id_type), np.empty(most, np.int64), np.empty(most, np.int64)
        bounds = np.empty(len(batch.bounds), np.int64)
        tokenize(batch.codes, batch.bounds, ids, begins, ends, bounds, *self._tables)
        n_tokens = int(bounds[-1])
        made = Tokens(ids[:n_tokens], begins[:n_tokens], ends[:n_tokens], bounds)
        moved = np.flatnonzero(self._moved[batch.codes])
        return self._with_library(batch, made, moved) if len(moved) else made

    def _with_library(self, batch: TextBatch, made: Tokens, moved: Offsets) -> Tokens:
        """Replace the tokens of the texts in which the library may move characters."""
        others = set((np.searchsorted(batch.bounds, moved, side="right") - 1).tolist())
        parts = [
            self._library.tokenize(batch.texts[text], int(batch.bounds[text]))
            if text in others
            else tuple(
                column[made.bounds[text] : made.bounds[text + 1]] for column in (made.ids, made.begins, made.ends)
            )
            for text in range(len(batch.texts))
        ]
        bounds = np.zeros(len(batch.bounds), np.int64)
        np.cumsum([len(ids) for ids, _, _ in parts], out=bounds[1:])
        ids, begins, ends = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Tokens(ids, begins, ends, bounds)


class LibraryTokenizer:
    """The same by the `tokenizers` library itself: what the compiled tokenizer is measured against."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._tokenizer: Tokenizer = vocabulary.corpus_tokenizer()
        self._id_type = id_type(vocabulary.size)

    def tokenize(self, text: str, first: int = 0) -> tuple[Ids, Offsets, Offsets]:
        """Return ids, begins and ends of the tokens of a text whose first character is number `first`. [L] each"""
        bounds = list(piece_bounds(text))
        pieces = self._tokenizer.encode_batch([text[start:end] for start, end in bounds], add_special_tokens=False)
        ids = np.array([id for piece in pieces for id in piece.ids], self._id_type)
        starts = [first + start for start, _ in bounds]
        offsets = [_offsets(piece) + start for piece, start in zip(pieces, starts, strict=True)]
        both = np.concatenate(offsets) if offsets else np.zeros((0, 2), np.int64)
        return ids, np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1])


def piece_bounds(text: str, size: int = PIECE_CHARS) -> Iterator[tuple[int, int]]:
    """Cut a text into [start, end) pieces of `size` characters and up to the next place where a cut is harmless."""
    start = 0
    while start < len(text):
        # The search begins at the piece's last character, so that a piece is `size` long where that is safe.
        safe = _SAFE_CUT.search(text, start + size - 1)
        end = safe.end() if safe else len(text)
        yield start, end
        start = end


def _offsets(piece: Encoding) -> Offsets:
    flat = np.fromiter(chain.from_iterable(piece.offsets), dtype=np.int64, count=2 * len(piece))
    return flat.reshape(-1, 2)
