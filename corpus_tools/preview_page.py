"""The same sequences as one HTML page: a table for every line of tokens, with a row for each kind of mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

from corpus_tools.interlinear import Line, lay_out
from corpus_tools.markup import Html, clip, join, tag
from corpus_tools.masking import Masker
from corpus_tools.preview import MEANINGS, MOST_KIND, Chosen, Marked, Outcome, Shown, hue, sample
from corpus_tools.report import Section, page
from corpus_tools.shards.read import ShardReader

LINE_COLUMNS: Final = 96
"""Columns of tokens on a line; a Chinese character takes two."""

STYLE: Final = """
.line { border-collapse: separate; border-spacing: 0; margin: 0 0 1rem; font-size: 1rem; line-height: 1.5;
  break-inside: avoid; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.line th, .line td { border: 0 solid transparent; padding: 0; text-align: center; white-space: pre; }
.line th { text-align: left; font-weight: 400; font-size: .76rem; color: var(--soft); padding-right: 1em;
  min-width: calc(var(--label) * 1ch + 1em); position: sticky; left: 0; background: var(--ground); }
.line .word { border-left-width: .45rem; background-clip: padding-box; }
.line .special { color: var(--soft); font-size: .76em; }
.line .span { font-size: .7rem; line-height: 1.25; padding: 0 .2em; background-color: hsl(var(--hue) 75% 55% / .32);
  max-width: 0; overflow: hidden; text-overflow: ellipsis; }
.line .opens { border-top-left-radius: .5em; border-bottom-left-radius: .5em; }
.line .opens.word { border-top-left-radius: 1.14em .5em; border-bottom-left-radius: 1.14em .5em; }
.line .closes { border-top-right-radius: .5em; border-bottom-right-radius: .5em; }
.line .mask, .swatch.mask { color: #c62828; }
.line .random, .swatch.random { background-color: #ff9f1c; color: #1d1d1d; }
.line .keep, .swatch.keep { text-decoration: underline 2px; text-underline-offset: .2em; font-weight: 700; }
.swatch { padding: 0 .2em; }
@media print { .line { font-size: .78rem; } }
"""

_EXAMPLES: Final[dict[Outcome, str]] = {"mask": "■", "random": "another token", "keep": "the same token"}


def preview_html(
    reader: ShardReader, maskers: Mapping[str, Masker], n: int = 20, seed: int = 0, row_tokens: int = 512
) -> str:
    """Write masked sequences as one self-contained page. Arguments as `sample`.

    Raises:
        SettingsError: as `sample`.
    """
    sections = preview_sections(reader, maskers, n, seed, row_tokens)
    return page("Words, phrases, entities and masks", sections, style=STYLE)


def preview_sections(
    reader: ShardReader, maskers: Mapping[str, Masker], n: int = 20, seed: int = 0, row_tokens: int = 512
) -> list[Section]:
    """Write a legend and masked sequences as sections of a page that has STYLE. Arguments as `sample`.

    Raises:
        SettingsError: as `sample`.
    """
    sections = [Section("How to read this", [_legend()])]
    for number, shown in enumerate(sample(reader, maskers, n, seed, row_tokens), start=1):
        lines = [_table(shown, line) for line in lay_out(shown, LINE_COLUMNS)]
        label = f"--label:{max(map(len, _labels(shown)))}"
        parts = [tag("p", shown.summary, class_="note"), tag("div", *lines, class_="scroll", style=label, lang="zh")]
        sections.append(Section(f"{number}. {shown.title}", parts))
    return sections


def _legend() -> Html:
    said = [
        join(tag("span", _EXAMPLES[outcome], class_=f"swatch {outcome}"), f" {meaning}")
        for outcome, meaning in MEANINGS.items()
    ]
    opening = "A space stands before each word. Under each token that is to be predicted: "
    cut = ". Names of phrases and entities are cut where their tokens are narrower; the pointer brings them up whole."
    return tag("p", opening, join(*said, by="; "), cut)


def _labels(shown: Shown) -> list[str]:
    return ["words", "phrases", "entities", *(clip(name, MOST_KIND) for name in shown.masks)]


@dataclass(frozen=True, slots=True)
class _Cell:
    """What stands at, or under, tokens [first, last)."""

    first: int
    last: int
    text: str
    classes: Sequence[str] = ()
    title: str | None = None
    style: str | None = None


def _table(shown: Shown, line: Line) -> Html:
    spans = [_spans(shown.phrases, line), _spans(shown.entities, line)]
    masks = [_mask(mask, line) for mask in shown.masks.values()]
    rows = zip(_labels(shown), [_words(shown, line), *spans, *masks], strict=True)
    # A cell begins behind the space before its first word, as the word itself does.
    spaced = {place for place in range(line.start + 1, line.end) if shown.tokens[place].spaced}
    made = [_row(name, cells, line, spaced) for name, cells in rows if cells]
    return tag("table", tag("tbody", *made), class_="line")


def _row(name: str, cells: Sequence[_Cell], line: Line, spaced: Set[int]) -> Html:
    made = [tag("th", name, scope="row")]
    place = line.start
    for cell in cells:
        if cell.first > place:
            made.append(tag("td", colspan=cell.first - place))
        classes = " ".join([*cell.classes, *(["word"] if cell.first in spaced else [])])
        width = cell.last - cell.first
        attributes = {"class": classes or None, "colspan": width if width > 1 else None}
        made.append(tag("td", cell.text, **attributes, title=cell.title, style=cell.style))
        place = cell.last
    return tag("tr", *made)


def _words(shown: Shown, line: Line) -> list[_Cell]:
    tokens = enumerate(shown.tokens[line.start : line.end], line.start)
    return [_Cell(place, place + 1, token.text, ["special"] if token.special else []) for place, token in tokens]


def _spans(spans: Sequence[Marked], line: Line) -> list[_Cell]:
    made = []
    for span, first, last in line.parts(spans):
        ends = {"opens": first == span.start, "closes": last == span.end}
        classes = ["span", *(name for name, there in ends.items() if there)]
        made.append(_Cell(first, last, span.name, classes, title=span.name, style=f"--hue:{hue(span.kind)}"))
    return made


def _mask(mask: Mapping[int, Chosen], line: Line) -> list[_Cell]:
    made = []
    for place in range(line.start, line.end):
        if chosen := mask.get(place):
            text = _EXAMPLES["mask"] if chosen.outcome == "mask" else chosen.text
            made.append(_Cell(place, place + 1, text, [chosen.outcome], title=MEANINGS[chosen.outcome]))
    return made
