"""Charts have round ticks, break where values are missing, lose no spike, and draw whatever they are given."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from corpus_tools.chart import MOST_POINTS, bar_chart, line_chart
from corpus_tools.chart import _ticks as ticks

NAN, INF = float("nan"), float("inf")


def lines(chart):
    root = ElementTree.fromstring(str(chart))
    drawn = [element for element in root.iter() if element.tag == "polyline"]
    return [[tuple(map(float, point.split(","))) for point in each.get("points").split()] for each in drawn]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0, 10], [0, 2, 4, 6, 8, 10]),
        ([3, 97], [0, 20, 40, 60, 80, 100]),
        ([0.1, 0.25], [0.1, 0.15, 0.2, 0.25]),
        ([-3, 3], [-3, -2, -1, 0, 1, 2, 3]),
        ([5, 5], [2, 3, 4, 5, 6, 7, 8]),
        ([0, 0], [-0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(values, wanted):
    assert ticks(values) == pytest.approx(wanted)


def test_a_line_falls_from_the_top_left_to_the_bottom_right():
    ((first, last),) = lines(line_chart({"loss": [(0, 10), (100, 0)]}))
    assert first[0] < last[0]
    assert first[1] < last[1]  # SVG counts downwards


def test_a_line_breaks_where_a_value_is_not_finite():
    broken = line_chart({"loss": [(0, 1), (1, 2), (2, NAN), (3, 2), (4, 3), (5, INF)]})
    assert [len(line) for line in lines(broken)] == [2, 2]


def test_a_lone_point_is_a_dot():
    chart = line_chart({"loss": [(3, 1)]})
    assert lines(chart) == []
    assert "<circle" in chart


@pytest.mark.parametrize("series", [{}, {"loss": []}, {"loss": [(0, NAN)]}])
def test_nothing_to_draw_is_said(series):
    assert "Nothing to draw yet." in line_chart(series)


def test_a_long_line_is_thinned_and_keeps_its_spike():
    points = [(n, 1.0) for n in range(100_000)]
    points[54_321] = (54_321, 9.0)
    ((*line,),) = lines(line_chart({"loss": points}))
    top = line_chart({"loss": [(0, 1.0), (1, 9.0)]})
    assert len(line) <= MOST_POINTS
    assert min(y for _, y in line) == min(y for _, y in lines(top)[0])
    assert [x for x, _ in line] == sorted(x for x, _ in line)


def test_names_labels_and_marks_are_escaped_and_shown():
    chart = line_chart({"<b>": [(0, 1), (1, 2)]}, x_label="a&b", y_label="<i>", marks={"<resumed>": 0.5, "outside": 7})
    text = "".join(ElementTree.fromstring(str(chart)).itertext())
    assert all(each in text for each in ("<b>", "a&b", "<i>", "<resumed>"))
    assert "outside" not in text


def test_each_line_has_the_colour_of_its_legend():
    chart = line_chart({"a": [(0, 1), (1, 2)], "b": [(0, 2), (1, 1)]})
    assert re.findall(r'stroke="(#\w+)"', chart) == re.findall(r"background:(#\w+)", chart)


def columns(chart):
    return [element for element in ElementTree.fromstring(str(chart)).iter() if element.tag == "rect"]


def test_bars_are_as_high_as_their_shares():
    heights = [float(bar.get("height")) for bar in columns(bar_chart([("1", "1", 30), ("2", "2", 10)], x_label="x"))]
    assert heights[0] == pytest.approx(3 * heights[1], abs=0.3)


def test_bars_stand_beside_each_other_and_say_what_they_count():
    bars = columns(bar_chart([("8", "5 to 8", 3), ("16", "9 to 16", 1)], x_label="x"))
    places = [(float(bar.get("x")), float(bar.get("width"))) for bar in bars]
    assert places[0][0] + places[0][1] < places[1][0]
    assert [bar.find("title").text for bar in bars] == ["5 to 8: 3, 75.00 %", "9 to 16: 1, 25.00 %"]


@pytest.mark.parametrize("n", [2, 12, 28, 60])
def test_labels_of_bars_never_touch(n):
    chart = bar_chart([("8192", "", 1)] * n, x_label="x")
    labels = [element for element in ElementTree.fromstring(str(chart)).iter() if element.text == "8192"]
    places = [float(label.get("x")) for label in labels]
    assert len(places) == n or n > 12
    assert min(after - before for before, after in pairwise(places)) > 30


def test_bars_escape_what_they_are_given():
    text = str(bar_chart([("<b>", "<i>", 1)], x_label="<script>"))
    assert "<b>" not in text
    assert "<script>" not in text


@pytest.mark.parametrize("bars", [[], [("1", "1", 0)]])
def test_no_bars_are_said(bars):
    assert "Nothing to draw yet." in bar_chart(bars, x_label="x")


def test_the_names_of_marks_that_stand_close_do_not_run_into_each_other():
    marks = {"resumed after 50": 50, "resumed after 51": 51, "resumed after 90": 90}
    chart = line_chart({"loss": [(0, 1), (100, 2)]}, marks=marks)
    for name in marks:
        assert f"<title>{name}</title>" in chart
        assert (f">{name}</text>" in chart) == (name != "resumed after 51")
