"""Print sequences with their marks in rows underneath: in colour, and as readable without it.

The signs are ASCII. Lines and blocks are as wide as a letter on one terminal and as a Chinese character on the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from colorsys import hls_to_rgb
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from corpus_tools.interlinear import N_EDGES, Line, lay_out
from corpus_tools.markup import clip, visible
from corpus_tools.masking import Masker
from corpus_tools.preview import MEANINGS, MOST_KIND, Chosen, Marked, Outcome, Shown, hue, sample
from corpus_tools.shards.read import ShardReader

LEAST_WIDTH: Final = 24
"""Columns of tokens on the narrowest terminal."""

_STYLES: Final[dict[Outcome, str]] = {
    "mask": "bold #ffffff on #c62828",
    "random": "bold #1d1d1d on #ff9f1c",
    "keep": "bold underline",
}
_EXAMPLES: Final[dict[Outcome, str]] = {"mask": "**", "random": "another token", "keep": "the same token"}

_Piece = tuple[int, str, str]
"""(first column, text, style)."""


def preview(
    reader: ShardReader,
    maskers: Mapping[str, Masker],
    n: int = 20,
    seed: int = 0,
    row_tokens: int = 512,
    console: Console | None = None,
) -> None:
    """Print masked sequences. The other arguments are those of `sample`.

    Raises:
        SettingsError: as `sample`.
    """
    console = console or Console(highlight=False)
    labels = [clip(visible(name), MOST_KIND) for name in ("words", "phrases", "entities", *maskers)]
    gutter = max(map(cell_len, labels)) + 2
    _print(console, _legend())
    for number, shown in enumerate(sample(reader, maskers, n, seed, row_tokens), start=1):
        _print(console, Text(f"\n{number}. {shown.title}", "bold"))
        _print(console, Text(shown.summary, "dim"))
        for line in lay_out(shown, max(console.width - gutter, LEAST_WIDTH)):
            _print(console, Text())
            for label, pieces in zip(labels, _rows(shown, line), strict=True):
                if pieces:
                    _print(
                        console,
                        _joined([(0, label, "dim"), *((gutter + at, text, style) for at, text, style in pieces)]),
                    )


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True, highlight=False)


def _legend() -> Text:
    text = Text("A space stands before each word. Under each token that is to be predicted:\n")
    for outcome, meaning in MEANINGS.items():
        text.append(_EXAMPLES[outcome], _STYLES[outcome])
        text.append(f" {meaning}   ")
    text.rstrip()
    return text


def _rows(shown: Shown, line: Line) -> list[list[_Piece]]:
    """Write words, phrases, entities and what each masking makes of a line."""
    return [
        list(_words(shown, line)),
        list(_spans(shown.phrases, line, "<>")),
        list(_spans(shown.entities, line, "{}")),
        *(list(_mask(mask, line)) for mask in shown.masks.values()),
    ]


def _words(shown: Shown, line: Line) -> Iterator[_Piece]:
    for token, column in zip(shown.tokens[line.start : line.end], line.columns, strict=True):
        yield column, token.text, "dim" if token.special else ""


def _spans(spans: Sequence[Marked], line: Line, brackets: str) -> Iterator[_Piece]:
    """Draw brackets as wide as the tokens, with the kind's name in them, or behind them where they are too narrow.

    A name that reaches the next span of the row is cut and ends in a point.
    """
    parts = list(line.parts(spans))
    for (span, first, last), after in zip_longest(parts, parts[1:]):
        left, right = line.place(first, last)
        width = right - left
        fits = cell_len(span.name) + N_EDGES <= width
        inner = (span.name if fits else "") + "-" * (width - N_EDGES - fits * cell_len(span.name))
        opening, closing = brackets[0] if first == span.start else "-", brackets[1] if last == span.end else "-"
        yield left, f"{opening}{inner}{closing}" if width >= N_EDGES else "|", f"#1d1d1d on {_ground(span.kind)}"
        if not fits and last == span.end:
            yield right, _cut(span.name, line.columns[after[1] - line.start] - right) if after else span.name, ""


def _cut(name: str, room: int) -> str:
    """Shorten a name to a number of columns, which a point ends; to nothing where there is one column or none."""
    if cell_len(name) <= room:
        return name
    return f"{set_cell_size(name, room - 1)}." if room > 1 else ""


def _mask(mask: Mapping[int, Chosen], line: Line) -> Iterator[_Piece]:
    for place, column, width in zip(range(line.start, line.end), line.columns, line.widths, strict=True):
        if chosen := mask.get(place):
            yield column, "*" * width if chosen.outcome == "mask" else chosen.text, _STYLES[chosen.outcome]


def _joined(pieces: Sequence[_Piece]) -> Text:
    """Put pieces at their columns; where one is still going on when the next begins, it is cut there."""
    row = Text()
    for column, text, style in pieces:
        row.truncate(column, overflow="crop", pad=True)
        row.append(text, style)
    return row


def _ground(kind: int) -> str:
    """Return a kind's colour for a terminal, light enough for dark text."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in hls_to_rgb(hue(kind) / 360, 0.85, 0.7))
