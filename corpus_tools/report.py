"""One self-contained HTML page: text, tables, bars and line charts. No script, nothing fetched, all text escaped.

The page's own policy forbids scripts and requests, so even a mistake in escaping could run nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from corpus_tools.chart import line_chart
from corpus_tools.errors import DiskError
from corpus_tools.markup import Html, escape, join, tag, visible
from corpus_tools.storage import write_text

__all__ = [
    "Html",
    "Section",
    "bar",
    "bars",
    "counted",
    "escape",
    "join",
    "line_chart",
    "long_table",
    "number",
    "page",
    "save_page",
    "table",
    "tag",
    "visible",
]

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

STYLE: Final = """
:root { color-scheme: light dark; --ground: #fcfcfa; --text: #1d2021; --soft: #6b7075; --rule: #dcdcd6;
  --panel: #f3f3ef; --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181b; --text: #e6e6e1; --soft: #979da4; --rule: #34383d;
  --panel: #1f2226; --accent: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 60rem; background: var(--ground); color: var(--text);
  font: 16px/1.65 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei",
  "Noto Sans CJK SC", "Source Han Sans SC", sans-serif; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .4rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; padding-bottom: .3rem; border-bottom: 1px solid var(--rule); }
h1, h2, p { overflow-wrap: anywhere; }
p { margin: .5rem 0; max-width: 46rem; }
.lead, .note { color: var(--soft); }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .94rem; }
th, td { padding: .32rem 1.1rem .32rem 0; text-align: left; vertical-align: baseline;
  border-bottom: 1px solid var(--rule); }
th { font-weight: 600; color: var(--soft); font-size: .86rem; }
td.number, th.number { text-align: right; }
td { overflow-wrap: break-word; }
td.wide { width: 22rem; min-width: 8rem; padding-right: 0; } .wide .bar { width: auto; }
.bar { display: block; width: 6rem; }
.bar i { display: block; height: .72rem; min-width: 1px; border-radius: 2px; background: var(--accent); }
summary { color: var(--accent); cursor: pointer; font-size: .94rem; }
pre, code { font: .88rem/1.55 ui-monospace, "SF Mono", Menlo, Consolas, "Noto Sans Mono CJK SC", monospace; }
pre { background: var(--panel); padding: .8rem 1rem; border-radius: 6px; overflow-x: auto; white-space: pre-wrap; }
figure { margin: 1rem 0; }
.chart { width: 100%; height: auto; display: block; font-size: 12px; }
.chart text { fill: var(--soft); } .chart .middle { text-anchor: middle; } .chart .label { font-size: 13px; }
.chart .grid { stroke: var(--rule); } .chart .axis { stroke: var(--soft); }
.chart .mark { stroke: var(--soft); stroke-dasharray: 4 4; }
.chart .column { fill: var(--accent); } .chart .column:hover { opacity: .7; }
.chart .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; font-size: .88rem; color: var(--soft); }
.legend i { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin-right: .4rem;
  vertical-align: -.05rem; }
@media print {
  :root { --ground: #fff; }
  body { max-width: none; padding: 0; font-size: 12px; }
  h2, summary { break-after: avoid; } tr, figure { break-inside: avoid; }
  .bar i, .chart, .legend i { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

OPEN_ROWS: Final = 24
"""Rows of a long table that are not folded away."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it; strings become paragraphs."""

    title: str
    parts: Sequence[Html | str]


def page(title: str, sections: Sequence[Section], *, lead: str = "", style: str = "") -> str:
    """Write a whole page.

    Args:
        title: heading and window title.
        sections: what stands on it, in order.
        lead: a sentence under the title.
        style: more CSS. It is trusted: no text of a user may get into it.
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        Html(f"<style>{STYLE}{style}</style>"),
    )
    opening = [tag("h1", title)] + ([tag("p", lead, class_="lead")] if lead else [])
    body = tag("body", *opening, *(_section(section) for section in sections))
    return f'<!doctype html>\n<html lang="zh">{head}{body}</html>\n'


def save_page(path: str | Path, text: str) -> None:
    """Write a page, whole or not at all; folders on the way are made.

    Raises:
        DiskError: it cannot be written.
    """
    to = Path(path)
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(f"{to.parent}: cannot be made: {error.strerror}") from error
    write_text(to, text)


def table(rows: Sequence[Sequence[object]], head: Sequence[object] = ()) -> Html:
    """Make a table. Numbers are written by `number` and stand to the right."""
    numeric = [_is_number(cell) for cell in rows[0]] if rows else []
    titles = [
        tag("th", cell, class_="number" if n < len(numeric) and numeric[n] else None) for n, cell in enumerate(head)
    ]
    lines = [tag("tr", *(_cell(cell) for cell in row)) for row in rows]
    opening = [tag("thead", tag("tr", *titles))] if head else []
    return tag("div", tag("table", *opening, tag("tbody", *lines)), class_="scroll")


def long_table(rows: Sequence[Sequence[object]], head: Sequence[object]) -> Html:
    """Make a table whose first rows stand open; the others are folded away."""
    if len(rows) <= OPEN_ROWS:
        return table(rows, head)
    rest = tag("details", tag("summary", f"and {len(rows) - OPEN_ROWS:,} more"), table(rows[OPEN_ROWS:], head))
    return join(table(rows[:OPEN_ROWS], head), rest)


def bar(value: float, longest: float) -> Html:
    """Make a bar for a cell of a table.

    Args:
        value: its length, from 0 to `longest`.
        longest: the length of the cell.
    """
    return tag("span", tag("i", style=f"width:{100 * value / (longest or 1):.2f}%"), class_="bar")


def bars(items: Sequence[tuple[str, float]], unit: str = "") -> Html:
    """Make a table of names, values and bars as long as the values; the longest fills the width.

    Args:
        items: names and values from 0 up.
        unit: stands after each value, such as "%".
    """
    longest = max((value for _, value in items), default=0.0)
    rows = [
        tag(
            "tr",
            tag("td", name),
            tag("td", f"{number(value)}{unit}", class_="number"),
            tag("td", bar(value, longest), class_="wide"),
        )
        for name, value in items
    ]
    return tag("div", tag("table", tag("tbody", *rows)), class_="scroll")


def number(value: float) -> str:
    """Write a number for readers: whole ones and large ones with separators, others with four digits."""
    if isinstance(value, int) or abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.4g}"


def counted(n: int, noun: str) -> str:
    """Write a number with what it counts: `1 shard`, `2,000 shards`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _section(section: Section) -> Html:
    parts = [part if isinstance(part, Html) else tag("p", part) for part in section.parts]
    return tag("section", tag("h2", section.title), *parts)


def _cell(cell: object) -> Html:
    if isinstance(cell, int | float) and _is_number(cell):
        return tag("td", number(cell), class_="number")
    return tag("td", cell)


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)
