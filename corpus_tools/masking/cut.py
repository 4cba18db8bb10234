"""Cut documents into sequences of one segment: [CLS], a stretch of the document, [SEP].

For `preview`, `audit`, `export` and the collator. Pre-training makes its own sequences (pairs, runs of sentences);
masking sees no more of them than of these. Letters: T tokens of B sequences end to end.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from corpus_tools.errors import SettingsError
from corpus_tools.schema import SPECIAL, EncodedDocument, Flags, Ids, Offsets, Spans

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
    return Sequence(ids, flags, _shifted(_spans_within(document.spans, start, end), 1))


def stretch_of(document: EncodedDocument, start: int, end: int) -> EncodedDocument:
    """Make a document of tokens [start, end) of another; phrases and entities are cut at its ends."""
    spans = _spans_within(document.spans, start, end)
    return EncodedDocument(document.id, document.source, document.ids[start:end], document.flags[start:end], spans)


def end_to_end(sequences: Collection[Sequence]) -> tuple[Sequence, Offsets]:
    """Lay sequences behind each other, as `Masker.draw_all` takes them.

    Args:
        sequences: at least one.

    Returns:
        All of them as one [T], and where each begins, and T. [B + 1]
    """
    bounds = np.zeros(len(sequences) + 1, np.int64)
    np.cumsum([len(sequence.ids) for sequence in sequences], out=bounds[1:])
    spans = np.concatenate([sequence.spans for sequence in sequences])
    by = np.repeat(bounds[:-1], [len(sequence.spans) for sequence in sequences])
    ids = np.concatenate([sequence.ids for sequence in sequences])
    flags = np.concatenate([sequence.flags for sequence in sequences])
    return Sequence(ids, flags, _shifted(spans, by)), bounds


def _spans_within(spans: Spans, start: int, end: int) -> Spans:
    """Return the spans that reach into tokens [start, end), cut at its edges and counted from `start`."""
    inside: Spans = spans[(spans["end"] > start) & (spans["start"] < end)]
    # The spans' numbers are unsigned: clip before anything is subtracted.
    inside["start"] = np.maximum(inside["start"], start) - start
    inside["end"] = np.minimum(inside["end"], end) - start
    return inside


def _shifted(spans: Spans, by: int | Offsets) -> Spans:
    moved = spans.copy()
    moved["start"] += np.asarray(by, np.uint32)
    moved["end"] += np.asarray(by, np.uint32)
    return moved
