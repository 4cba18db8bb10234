"""Line and bar charts as inline SVG: axes with round ticks, no script. Colours and text follow the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import Final

from corpus_tools.markup import Html, join, tag

Points = Sequence[tuple[float, float]]
"""(x, y) in ascending x. A y that is not finite breaks the line."""

Bar = tuple[str, str, int]
"""What a bar counts, in short (under it) and in full (where the mouse rests on it), and its number."""

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b")
"""Okabe and Ito's palette, told apart by colour-blind readers and readable on light and dark ground."""

MOST_POINTS: Final = 1000
"""A longer line is thinned: a page of 800 pixels shows no more, and a log can hold a million lines."""

_WIDTH, _HEIGHT = 800, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 14, 46

_MARK_LETTER: Final = 7
"""Pixels that a letter of a mark's name takes, about."""

_BARS_WIDTH, _BARS_HEIGHT = 440, 230
_BARS_LEFT, _BARS_BOTTOM = 34, 42
_BAR_LABEL_WIDTH: Final = 32
"""Pixels that the label of a bar takes; where bars stand closer, some go without."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """Maps values [low, high] to pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def line_chart(
    series: Mapping[str, Points], *, x_label: str = "", y_label: str = "", marks: Mapping[str, float] | None = None
) -> Html:
    """Draw lines over a common pair of axes.

    Args:
        series: name to points. Names stand in the legend, in this order.
        x_label: stands under the x axis.
        y_label: stands above the y axis.
        marks: name to x, drawn as upright dashed lines: where a run was resumed. A name that would run into the one
            before is shown where the mouse rests on its line.

    Returns:
        An SVG element; a remark instead where no point is finite.
    """
    runs = {name: _runs(points) for name, points in series.items()}
    flat = [point for split in runs.values() for run in split for point in run]
    if not flat:
        return tag("p", "Nothing to draw yet.", class_="note")
    x_ticks, y_ticks = _ticks([x for x, _ in flat]), _ticks([y for _, y in flat])
    x_axis = _Axis(min(x for x, _ in flat), max(x for x, _ in flat), _LEFT, _WIDTH - _RIGHT)
    if x_axis.low == x_axis.high:
        x_axis = _Axis(x_ticks[0], x_ticks[-1], _LEFT, _WIDTH - _RIGHT)
    y_axis = _Axis(y_ticks[0], y_ticks[-1], _HEIGHT - _BOTTOM, _TOP)
    drawing = tag(
        "svg",
        _grid(x_axis, [x for x in x_ticks if x_axis.low <= x <= x_axis.high], y_axis, y_ticks),
        _labels(x_label, y_label),
        *_marks(marks or {}, x_axis, y_axis),
        *(_line(split, x_axis, y_axis, COLOURS[n % len(COLOURS)]) for n, split in enumerate(runs.values())),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{y_label or ', '.join(series)} over {x_label}",
        class_="chart",
    )
    return tag("figure", drawing, _legend(list(series)))


def bar_chart(bars: Sequence[Bar], *, x_label: str) -> Html:
    """Draw the shares of a whole as upright bars, in per cent.

    Args:
        bars: from left to right.
        x_label: what is counted, and by what.

    Returns:
        An SVG element; a remark instead where there is nothing.
    """
    whole = sum(count for *_, count in bars)
    if not whole:
        return tag("p", "Nothing to draw yet.", class_="note")
    ticks = _ticks([0.0, *(100 * count / whole for *_, count in bars)], wanted=4)
    axis = _Axis(ticks[0], ticks[-1], _BARS_HEIGHT - _BARS_BOTTOM, _TOP)
    step = (_BARS_WIDTH - _BARS_LEFT) / len(bars)
    labelled = range(0, len(bars), ceil(_BAR_LABEL_WIDTH / step))
    return tag(
        "svg",
        _across(axis, ticks, _BARS_LEFT, _BARS_WIDTH),
        *(_bar(bar, whole, axis, _BARS_LEFT + n * step, step, n in labelled) for n, bar in enumerate(bars)),
        tag("text", f"{x_label}, %", x=(_BARS_LEFT + _BARS_WIDTH) / 2, y=_BARS_HEIGHT - 6, class_="label middle"),
        viewBox=f"0 0 {_BARS_WIDTH} {_BARS_HEIGHT}",
        role="img",
        aria_label=f"{x_label}, in per cent",
        class_="chart",
    )


def _bar(bar: Bar, whole: int, axis: _Axis, left: float, step: float, labelled: bool) -> Html:
    short, full, count = bar
    share = 100 * count / whole
    top = axis.at(share)
    column = tag(
        "rect",
        tag("title", f"{full}: {count:,}, {share:.2f} %"),
        x=round(left + 0.08 * step, 1),
        y=top,
        width=round(0.84 * step, 1),
        height=round(axis.start - top, 1),
        class_="column",
    )
    label = [tag("text", short, x=round(left + step / 2, 1), y=axis.start + 17, class_="middle")] if labelled else []
    return join(column, *label)


def _runs(points: Points) -> list[list[tuple[float, float]]]:
    """Split a line where a value is not finite, and thin it."""
    split: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if isfinite(x) and isfinite(y):
            split[-1].append((x, y))
        elif split[-1]:
            split.append([])
    most = max(4, MOST_POINTS // len(split))
    return [_thin(run, most) for run in split if run]


def _thin(run: list[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """Keep the first, the lowest, the highest and the last point of each stretch, so that no spike is lost."""
    if len(run) <= most:
        return run
    size = ceil(len(run) / (most // 4))
    kept: list[tuple[float, float]] = []
    for start in range(0, len(run), size):
        stretch = run[start : start + size]
        low, high = min(stretch, key=lambda point: point[1]), max(stretch, key=lambda point: point[1])
        kept += sorted({stretch[0], low, high, stretch[-1]})
    return kept


def _ticks(values: Sequence[float], wanted: int = 6) -> list[float]:
    """Return round numbers that enclose the values, 1, 2 or 5 times a power of ten apart."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    raw = (high - low) / wanted
    magnitude = 10.0 ** floor(log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _grid(x_axis: _Axis, x_ticks: Sequence[float], y_axis: _Axis, y_ticks: Sequence[float]) -> Html:
    bottom = y_axis.start
    along = [
        join(
            tag("line", x1=x_axis.at(x), x2=x_axis.at(x), y1=bottom, y2=bottom + 5, class_="axis"),
            tag("text", f"{x:,.6g}", x=x_axis.at(x), y=bottom + 19, text_anchor="middle"),
        )
        for x in x_ticks
    ]
    return join(_across(y_axis, y_ticks, _LEFT, _WIDTH - _RIGHT), *along)


def _across(y_axis: _Axis, y_ticks: Sequence[float], left: float, right: float) -> Html:
    """Draw a line across the chart for each tick, the lowest one as the axis."""
    lines = [
        join(
            tag("line", x1=left, x2=right, y1=y_axis.at(y), y2=y_axis.at(y), class_="grid" if n else "axis"),
            tag("text", f"{y:,.6g}", x=left - 8, y=y_axis.at(y) + 4, text_anchor="end"),
        )
        for n, y in enumerate(y_ticks)
    ]
    return join(*lines)


def _labels(x_label: str, y_label: str) -> Html:
    return join(
        tag("text", x_label, x=(_LEFT + _WIDTH - _RIGHT) / 2, y=_HEIGHT - 6, text_anchor="middle", class_="label"),
        tag("text", y_label, x=-(_TOP + _HEIGHT - _BOTTOM) / 2, y=14, transform="rotate(-90)", class_="label middle"),
    )


def _marks(marks: Mapping[str, float], x_axis: _Axis, y_axis: _Axis) -> list[Html]:
    drawn = []
    free = 0.0
    for name, x in sorted(marks.items(), key=lambda mark: mark[1]):
        if x_axis.low <= x <= x_axis.high:
            at = x_axis.at(x)
            width = _MARK_LETTER * len(name)
            left = min(at + 4, _WIDTH - width)
            labelled = left >= free
            free = left + width if labelled else free
            drawn.append(_mark(name, at, left if labelled else None, y_axis))
    return drawn


def _mark(name: str, x: float, label_at: float | None, y_axis: _Axis) -> Html:
    line = tag("line", tag("title", name), x1=x, x2=x, y1=y_axis.start, y2=y_axis.end, class_="mark")
    if label_at is None:
        return line
    return join(line, tag("text", name, x=round(label_at, 1), y=y_axis.end + 10, class_="label"))


def _line(split: Sequence[Points], x_axis: _Axis, y_axis: _Axis, colour: str) -> Html:
    """Draw each unbroken run; a single point becomes a dot, which a line of no length would not show."""
    drawn = []
    for run in split:
        places = [(x_axis.at(x), y_axis.at(y)) for x, y in run]
        if len(places) == 1:
            drawn.append(tag("circle", cx=places[0][0], cy=places[0][1], r=3, fill=colour))
        else:
            drawn.append(tag("polyline", points=" ".join(f"{x},{y}" for x, y in places), stroke=colour, class_="line"))
    return join(*drawn)


def _legend(names: Sequence[str]) -> Html:
    swatches = [
        tag("span", tag("i", style=f"background:{COLOURS[n % len(COLOURS)]}"), name) for n, name in enumerate(names)
    ]
    return tag("figcaption", *swatches, class_="legend")
