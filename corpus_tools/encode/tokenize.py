"""Text to token ids, each with the characters it stands for. L is the number of tokens of a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
from tokenizers import Encoding, Tokenizer

from corpus_tools.encode.vocabulary import HAN_RANGES, Vocabulary
from corpus_tools.schema import Ids, Offsets, id_type

PIECE_CHARS: Final = 1 << 15
"""A longer text is given to the tokenizer in pieces of about this many characters, so that memory stays flat."""

# The tokenizer splits at white space and on both sides of a Chinese character, so a cut behind one changes no token.
_HAN: Final = "".join(f"{chr(first)}-{chr(last)}" for first, last in HAN_RANGES)
_SAFE_CUT: Final = re.compile(f"[\\n {_HAN}]")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one text. Token i stands for characters [begins[i], ends[i]).

    Offsets never decrease. Neighbours can stand for the same character (a Hangul syllable becomes several letters),
    and characters can be without a token (spaces, control characters).
    """

    ids: Ids
    begins: Offsets
    ends: Offsets


class CorpusTokenizer:
    """Tokenize untrusted text by a vocabulary: `[MASK]` in the text is text."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._tokenizer: Tokenizer = vocabulary.corpus_tokenizer()
        self._id_type = id_type(vocabulary.size)

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the tokens of each text: ids as the tokenizer gives them, offsets in characters of the text."""
        cuts = [list(piece_bounds(text)) for text in texts]
        pieces = [text[start:end] for text, bounds in zip(texts, cuts, strict=True) for start, end in bounds]
        encodings = iter(self._tokenizer.encode_batch(pieces, add_special_tokens=False))
        return [self._join([next(encodings) for _ in bounds], [start for start, _ in bounds]) for bounds in cuts]

    def _join(self, pieces: list[Encoding], starts: list[int]) -> Tokens:
        ids = [np.array(piece.ids, dtype=self._id_type) for piece in pieces]
        offsets = [_offsets(piece) + start for piece, start in zip(pieces, starts, strict=True)]
        both = np.concatenate(offsets) if offsets else np.zeros((0, 2), np.int64)
        return Tokens(
            ids=np.concatenate(ids) if ids else np.zeros(0, self._id_type),
            begins=np.ascontiguousarray(both[:, 0]),
            ends=np.ascontiguousarray(both[:, 1]),
        )


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
