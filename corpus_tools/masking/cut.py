"""Cut documents into sequences for `preview` and `audit`: [CLS], a stretch of the document, [SEP].

Training makes its own sequences (pairs, runs of sentences); masking sees no more of them than of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from corpus_tools.errors import SettingsError
from corpus_tools.schema import NO_SPANS, SPECIAL, EncodedDocument, Flags, Ids, Spans

N_SPECIAL = 2
"""[CLS] and [SEP]."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """What a masker is given. Arrays share one length, `spans` has indexes into it."""

    ids: Ids
    flags: Flags
    spans: Spans


def stretches(length: int, row_tokens: int) -> list[tuple[int, int]]:
    """Return the stretches [start, end) of a document that fill sequences of `row_tokens`, the last one as it comes.

    Raises:
        SettingsError: a sequence would have no room beside [CLS] and [SEP].
    """
    room = row_tokens - N_SPECIAL
    if room < 1:
        raise SettingsError(f"row_tokens: {row_tokens} leaves no room beside [CLS] and [SEP]; 3 is the least")
    return [(start, min(start + room, length)) for start in range(0, length, room)]


def cut(document: EncodedDocument, row_tokens: int, cls_id: int, sep_id: int) -> Iterator[Sequence]:
    """Yield a document's sequences in order; every token of it is in exactly one."""
    for start, end in stretches(len(document.ids), row_tokens):
        yield sequence_of(document, start, end, cls_id, sep_id)


def sequence_of(document: EncodedDocument, start: int, end: int, cls_id: int, sep_id: int) -> Sequence:
    """Make the sequence of tokens [start, end); phrases and entities are cut at its ends."""
    length = end - start + N_SPECIAL
    ids = np.empty(length, document.ids.dtype)
    ids[0], ids[-1] = cls_id, sep_id
    ids[1:-1] = document.ids[start:end]
    flags = np.full(length, SPECIAL, np.uint8)
    flags[1:-1] = document.flags[start:end]
    return Sequence(ids, flags, _spans_within(document.spans, start, end))


def _spans_within(spans: Spans, start: int, end: int) -> Spans:
    if not len(spans):
        return NO_SPANS
    inside: Spans = spans[(spans["end"] > start) & (spans["start"] < end)].copy()
    # The spans' numbers are unsigned: clip before anything is subtracted.
    inside["start"] = np.maximum(inside["start"], start) - start + 1
    inside["end"] = np.minimum(inside["end"], end) - start + 1
    return inside
