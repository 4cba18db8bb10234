"""What a document is before and after encoding: text and spans, flag bits, and the columns of a shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ids = npt.NDArray[np.integer]
Ints = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Flags = npt.NDArray[np.uint8]
Spans = npt.NDArray[np.void]
"""Array of SPAN_DTYPE, sorted by start."""

WORD: Final = 1
"""The token starts a word."""
PHRASE: Final = 2
"""The token starts a phrase."""
IN_PHRASE: Final = 4
"""The token belongs to a phrase, its first token included."""
ENTITY: Final = 8
"""The token starts an entity."""
IN_ENTITY: Final = 16
"""The token belongs to an entity, its first token included."""
SENTENCE: Final = 32
"""The token starts a sentence."""
PARAGRAPH: Final = 64
"""The token starts a paragraph."""
SPECIAL: Final = 128
"""[CLS] or [SEP]: set when sequences are made, never in a shard."""

SPAN_DTYPE: Final = np.dtype([("start", np.uint32), ("end", np.uint32), ("kind", np.uint8)])
NO_SPANS: Final[Spans] = np.zeros(0, SPAN_DTYPE)

MAX_KINDS: Final = 256


class GivenSpan(NamedTuple):
    """A stretch of a document's text that is an entity or a phrase by the word of whoever marked it."""

    start: int
    """First character, from 0."""
    end: int
    """One past the last character."""
    kind: str
    mark: str | None = None
    """"entity" or "phrase"; None where only the kind is told."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of raw text as it was read."""

    id: str
    source: str
    text: str
    spans: tuple[GivenSpan, ...] = ()
    """What came marked with the text: not empty and within it, in any order; they may overlap, and be of any kind."""
    span_faults: Mapping[str, int] = field(default_factory=dict)
    """What came as a mark and is none, or had to be repaired: how often, by reason."""
    cleaned: Mapping[str, int] = field(default_factory=dict)
    """Characters that each step of cleaning has taken out, replaced or put in."""
    place: str = field(default="", compare=False)
    """FILE:LINE, which tells documents of one id apart."""
    n_replaced: int = 0
    """U+FFFD in it that stand for bytes which were no characters."""


@dataclass(frozen=True, slots=True)
class EncodedDocument:
    """One row of a shard. Arrays share one length L except `spans`, whose indexes run over [0, L]."""

    id: str
    source: str
    ids: Ids
    flags: Flags
    spans: Spans


def id_type(vocabulary_size: int) -> np.dtype[np.unsignedinteger]:
    """Return the narrowest of uint16 and uint32 that holds every id of a vocabulary."""
    return np.dtype(np.uint16) if vocabulary_size <= 1 << 16 else np.dtype(np.uint32)


def shard_schema(vocabulary_size: int) -> pa.Schema:
    """Return the Arrow schema of a shard: id, source, ids, flags, spans."""
    span = pa.struct([("start", pa.uint32()), ("end", pa.uint32()), ("kind", pa.uint8())])
    return pa.schema(
        [
            ("id", pa.string()),
            ("source", pa.string()),
            ("ids", pa.list_(pa.from_numpy_dtype(id_type(vocabulary_size)))),
            ("flags", pa.list_(pa.uint8())),
            ("spans", pa.list_(span)),
        ]
    )
