"""Spans that come marked with the documents: their own, and those of a tagger's predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from corpus_tools.errors import SettingsError
from corpus_tools.schema import Flags
from corpus_tools.spans.found import Found
from corpus_tools.text.batch import TextBatch
from corpus_tools.text.given import EMPTY

OVERLAPS: Final = "overlapping_span"
"""Another given span of its mark, further left or longer, has some of its characters."""
UNDECLARED: Final = "undeclared_kind:"
"""Stands before the name of a kind that was not declared."""

_MAX_NAME: Final = 40
"""Characters of such a name that are kept: whatever stands in the input may have been taken for a kind."""

Row = tuple[int, int, int]
"""Start, end and number of the kind."""


class GivenSpans:
    """Takes the spans that documents come with, where their kinds were declared before.

    Args:
        kinds: those of entities.
        phrase_kinds: those of phrases. A span that does not say its mark has the one of its kind; entity, where a kind
            is declared as both.

    Raises:
        SettingsError: a kind is empty, or stands twice.
    """

    def __init__(self, kinds: Sequence[str] = (), phrase_kinds: Sequence[str] = ()) -> None:
        for names in (kinds, phrase_kinds):
            if isinstance(names, str) or "" in names or len(set(names)) < len(names):
                raise SettingsError(f"kinds: expected different names such as [ns, nr], found {names!r}")
        self.kinds: Final = (*((kind, "entity") for kind in kinds), *((kind, "phrase") for kind in phrase_kinds))
        self.fingerprint: Final = f"given-1-{self.kinds}"
        self._number_of: dict[tuple[str, str | None], int] = {}
        for number, (kind, mark) in enumerate(self.kinds):
            self._number_of[kind, mark] = number
            self._number_of.setdefault((kind, None), number)

    def find(self, batch: TextBatch, marks: Flags) -> Found:
        """Return the spans of the batch's documents; words are not asked.

        Of the overlapping spans of a mark the leftmost is taken, then the longest, then the one that was named first.
        """
        rejected = Counter[str]()
        taken = np.array(self._apart(self._declared(batch, rejected), rejected), np.int64).reshape(-1, 3)
        return Found(taken[:, 0], taken[:, 1], taken[:, 2].astype(np.int32), rejected)

    def _declared(self, batch: TextBatch, rejected: Counter[str]) -> Iterator[Row]:
        """Yield the spans of declared kinds as places of the batch."""
        for document, begin in zip(batch.documents, batch.bounds.tolist(), strict=False):
            if document.span_faults:
                rejected.update(document.span_faults)
            for start, end, kind, mark in document.spans:
                number = self._number_of.get((kind, mark))
                if number is None:
                    rejected[UNDECLARED + _storable_name(kind)] += 1
                elif start >= end:  # what stood there was cleaned away
                    rejected[EMPTY] += 1
                else:
                    yield begin + start, begin + end, number

    def _apart(self, rows: Iterable[Row], rejected: Counter[str]) -> list[Row]:
        taken, behind = [], {"entity": 0, "phrase": 0}
        for start, end, number in sorted(rows, key=lambda row: (row[0], -row[1])):
            _, mark = self.kinds[number]
            if start < behind[mark]:
                rejected[OVERLAPS] += 1
            else:
                behind[mark] = end
                taken.append((start, end, number))
        return taken


def _storable_name(kind: str) -> str:
    return kind[:_MAX_NAME].encode("utf-8", "backslashreplace").decode("utf-8")
