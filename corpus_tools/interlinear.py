"""Break a sequence into lines of tokens that have rows of marks under them.

Tokens stand in columns of a terminal, of which a Chinese character takes two. The name of a phrase or an entity stands
within the columns of its tokens where it fits there, else behind them, up to the next span of its row: no mark moves a
token, for a gap would look like the end of a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from corpus_tools.preview import Marked, Shown

N_EDGES = 2
"""Columns of the two ends of a span."""


@dataclass(frozen=True, slots=True)
class Line:
    """Some tokens of a sequence."""

    start: int
    columns: list[int]
    """Where each token begins, from token `start` on."""
    widths: list[int]
    """The columns that each takes."""

    @property
    def end(self) -> int:
        """One past the last token."""
        return self.start + len(self.columns)

    def place(self, first: int, last: int) -> tuple[int, int]:
        """Return the columns [left, right) of tokens [first, last)."""
        return self.columns[first - self.start], self.columns[last - 1 - self.start] + self.widths[
            last - 1 - self.start
        ]

    def parts(self, spans: Sequence[Marked]) -> Iterator[tuple[Marked, int, int]]:
        """Yield the spans that have tokens here, and which tokens [first, last) those are."""
        for span in spans:
            first, last = max(span.start, self.start), min(span.end, self.end)
            if first < last:
                yield span, first, last


def lay_out(shown: Shown, width: int) -> list[Line]:
    """Break a sequence into lines. A word or a span is broken only where it is wider than a line.

    Args:
        shown: the sequence.
        width: columns of a line.
    """
    widths = shown.widths()
    wanted = _wanted(shown, widths)
    lines: list[Line] = []
    end = 0
    for place, token in enumerate(shown.tokens):
        column = end + token.spaced
        if not lines or column + wanted[place] > width:
            lines.append(Line(place, [], []))
            column = 0
        lines[-1].columns.append(column)
        lines[-1].widths.append(widths[place])
        end = column + widths[place]
    return lines


def _widths_by_start(spans: Sequence[Marked], shown: Shown, widths: list[int]) -> dict[int, int]:
    """Return the columns that each span takes with its name, by its first token."""
    found = {}
    for span in spans:
        inside = sum(widths[span.start : span.end]) + sum(t.spaced for t in shown.tokens[span.start + 1 : span.end])
        name = cell_len(span.name)
        found[span.start] = inside if name + N_EDGES <= inside else inside + name
    return found


def _wanted(shown: Shown, widths: list[int]) -> list[int]:
    """Return the columns that have to be free for a token to stand on a line: those of its word and of its spans."""
    rows = [_widths_by_start(spans, shown, widths) for spans in (shown.phrases, shown.entities)]
    wanted = list(widths)
    begin = 0
    for place, token in enumerate(shown.tokens):
        if token.spaced:
            begin = place
        elif place:
            wanted[begin] += widths[place]
    return [max([columns, *(row.get(place, 0) for row in rows)]) for place, columns in enumerate(wanted)]
