"""Spans that come marked with a text: what of a field or a list is a span of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from corpus_tools.schema import GivenSpan

MALFORMED: Final = "malformed_span"
"""It is neither {"start": int, "end": int, "kind": str} nor [int, int, str]."""
EMPTY: Final = "empty_span"
"""It does not end behind its start."""
OUTSIDE: Final = "span_outside_text"
"""It begins before the text or ends behind it."""


def given_spans(value: object, n_characters: int) -> tuple[tuple[GivenSpan, ...], Mapping[str, int]]:
    """Take spans as they stand in JSON or in a column: a list of {"start", "end", "kind"} or [start, end, kind].

    An object may have a "mark", "entity" or "phrase"; what else is in it is not asked for.

    Args:
        value: whatever was found; nothing where it is None.
        n_characters: the length of the text.

    Returns:
        The spans within the text, and how many are none, by reason.
    """
    if value is None:
        return (), {}
    if not isinstance(value, list):
        return (), {MALFORMED: 1}
    spans, faults = [], Counter[str]()
    for each in value:
        span = _span(each)
        if span is None:
            faults[MALFORMED] += 1
        elif span.end <= span.start:
            faults[EMPTY] += 1
        elif span.start < 0 or span.end > n_characters:
            faults[OUTSIDE] += 1
        else:
            spans.append(span)
    return tuple(spans), faults


def _span(value: object) -> GivenSpan | None:
    match value:
        case {"start": int(start), "end": int(end), "kind": str(kind)} | [int(start), int(end), str(kind)]:
            mark = value.get("mark") if isinstance(value, dict) else None
        case _:
            return None
    # JSON's true is an int to Python.
    if isinstance(start, bool) or isinstance(end, bool) or mark not in (None, "entity", "phrase"):
        return None
    return GivenSpan(start, end, kind, mark)
