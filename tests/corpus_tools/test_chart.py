"""Charts have round ticks, break where values are missing, lose no spike, and draw whatever they are given."""

import re
from xml.etree import ElementTree

import pytest

from corpus_tools.chart import MOST_POINTS, line_chart
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
