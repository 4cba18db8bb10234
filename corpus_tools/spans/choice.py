"""Choose among overlapping spans: leftmost first, then longest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from corpus_tools.schema import TextSpan


def combine(candidates: Sequence[Sequence[TextSpan]]) -> list[TextSpan]:
    """Put together what several finders found in one text.

    Entities are chosen among all entities, leftmost first, then longest; of two equal stretches the earlier finder's is
    kept. Phrases are chosen among phrases alike. An entity and a phrase may overlap each other.

    Args:
        candidates: spans by finder, the finder to be believed first in front.

    Returns:
        The chosen spans by start, then end. Those of one mark do not overlap.
    """
    spans = [span for found in candidates for span in found]
    chosen = [span for mark in ("entity", "phrase") for span in leftmost_longest(s for s in spans if s.mark == mark)]
    return sorted(chosen, key=lambda span: (span.start, span.end))


def leftmost_longest(spans: Iterable[TextSpan]) -> list[TextSpan]:
    """Keep the leftmost span, of those that begin there the longest, and so on from its end; the first of equals."""
    kept: list[TextSpan] = []
    end = 0
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if span.start >= end:
            kept.append(span)
            end = span.end
    return kept
