"""The documents of the shards, or their stretches, as lines of JSON that say their marks in full.

Shards hold no text. A line has the tokens, as the vocabulary writes them: in lower case where it has that, without the
spaces of the text, [UNK] for what it lacks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from corpus_tools.export.pieces import batches, n_pieces, pieces
from corpus_tools.schema import PARAGRAPH, SENTENCE, WORD, EncodedDocument, Flags
from corpus_tools.shards.read import ShardReader

SAMPLE: Final = 100
"""Lines that are made to estimate the size of all."""


@dataclass(frozen=True, kw_only=True)
class MarkedLines:
    """An object a line; every place in it is a token's number in the line, ends exclusive."""

    row_tokens: int | None = None
    """Cut documents into stretches that fill sequences of so many tokens, [CLS] and [SEP] counted; None: whole."""

    def n_rows(self, reader: ShardReader) -> int:
        """Return how many documents or stretches there are."""
        return int(n_pieces(reader, self.row_tokens).sum())

    def n_bytes(self, reader: ShardReader) -> int:
        """Return about how many bytes the file takes, by the first lines."""
        first = list(islice(pieces(reader, 0, len(reader), self.row_tokens), SAMPLE))
        size = sum(len(self._line(piece, reader)) for piece in first)
        return int(size * reader.lengths.sum() / max(sum(len(piece.ids) for piece in first), 1))

    def write(self, reader: ShardReader, place: Path, wrote: Callable[[int], None]) -> None:
        """Write the file `place`."""
        found = pieces(reader, 0, len(reader), self.row_tokens)
        with place.open("wb") as file:
            for some in batches((len(piece.ids), piece) for piece in found):
                file.writelines(self._line(piece, reader) for piece in some)
                wrote(len(some))

    def _line(self, piece: EncodedDocument, reader: ShardReader) -> bytes:
        found = marked(piece, reader.vocabulary.tokens, reader.kinds)
        return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def marked(piece: EncodedDocument, tokens: Sequence[str], kinds: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Return a document as one JSON object.

    Args:
        piece: the document.
        tokens: the vocabulary, by id.
        kinds: {"name", "mark"} by kind number.

    Returns:
        `id`, `source`, `tokens`; `words`, `sentences` and `paragraphs`, [start, end] each; `entities` and `phrases`,
        {"start", "end", "kind"} each.
    """
    spans = [(kinds[kind], {"start": start, "end": end}) for start, end, kind in piece.spans.tolist()]
    return {
        "id": piece.id,
        "source": piece.source,
        "tokens": [tokens[number] for number in piece.ids.tolist()],
        **{
            name: stretches_of(piece.flags, bit)
            for name, bit in (("words", WORD), ("sentences", SENTENCE), ("paragraphs", PARAGRAPH))
        },
        **{
            name: [place | {"kind": kind["name"]} for kind, place in spans if kind["mark"] == mark]
            for name, mark in (("entities", "entity"), ("phrases", "phrase"))
        },
    }


def stretches_of(flags: Flags, bit: int) -> list[list[int]]:
    """Return [start, end] of what begins where a bit is set; what a cut has beheaded begins at the first token."""
    begins = (flags & bit) != 0
    begins[0] = True
    starts = np.flatnonzero(begins)
    found: list[list[int]] = np.stack((starts, np.append(starts[1:], len(flags))), axis=1).tolist()
    return found
