"""What a document is before and after encoding: text and spans, flag bits, and the columns of a shard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

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


@dataclass(frozen=True, slots=True)
class Document:
    """One document of raw text as it was read."""

    id: str
    source: str
    text: str


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
