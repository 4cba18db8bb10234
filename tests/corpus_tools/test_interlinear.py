"""Lines hold every token once, break words and spans only where they must, and marks move no token."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_tools.interlinear import lay_out
from corpus_tools.preview import Chosen, Marked, Shown, Token

NAMES = ["nt", "地名", "a_long_list_of_mine"]


def columns(text):
    """Count columns by an encoding in which a Chinese character is two bytes."""
    return len(text.encode("gb18030"))


@st.composite
def sequences(draw):
    """Sequences of narrow and wide tokens in words, with entities and phrases, none of them over another."""
    texts = draw(st.lists(st.sampled_from(["的", "a", "model", "2024", "\u0301"]), min_size=1, max_size=60))
    tokens = [Token(text, place > 0 and draw(st.booleans()), False) for place, text in enumerate(texts)]
    return Shown(
        "t", "s", tokens, draw(spans(len(texts))), draw(spans(len(texts))), {"wwm": {0: Chosen("random", "字")}}
    )


@st.composite
def spans(draw, length):
    edges = sorted(draw(st.sets(st.integers(0, length), max_size=10)))
    return [
        Marked(start, end, 0, draw(st.sampled_from(NAMES))) for start, end in pairwise(edges) if draw(st.booleans())
    ]


@given(sequences(), st.integers(24, 100))
def test_every_token_stands_on_one_line_behind_the_token_before(shown, width):
    lines = lay_out(shown, width)
    assert [place for line in lines for place in range(line.start, line.end)] == list(range(len(shown.tokens)))
    for line in lines:
        assert line.columns[0] == 0
        for place in range(line.start + 1, line.end):
            _, before = line.place(place - 1, place)
            assert line.place(place, place + 1)[0] >= before + shown.tokens[place].spaced


@given(sequences(), st.integers(24, 100))
def test_no_line_is_wider_than_asked(shown, width):
    for line in lay_out(shown, width):
        assert line.place(line.end - 1, line.end)[1] <= width


@given(sequences(), st.integers(60, 100))
def test_a_word_without_marks_is_broken_only_where_it_is_wider_than_a_line(shown, width):
    bare = Shown("t", "s", shown.tokens, [], [], {})
    starts = [0, *(place for place, token in enumerate(shown.tokens) if token.spaced), len(shown.tokens)]
    lines = lay_out(bare, width)
    for start, end in pairwise(dict.fromkeys(starts)):
        if sum(bare.widths()[start:end]) <= width:
            assert any(line.start <= start and end <= line.end for line in lines)


@given(sequences())
def test_no_mark_moves_a_token(shown):
    bare = Shown("t", "s", shown.tokens, [], [], shown.masks)
    assert lay_out(shown, 10_000) == lay_out(bare, 10_000)


@given(sequences(), st.integers(60, 100))
def test_a_line_has_room_for_its_last_names(shown, width):
    for line in lay_out(shown, width):
        for row in (shown.phrases, shown.entities):
            for span, first, last in line.parts(row):
                left, right = line.place(first, last)
                hangs_over = 0 if columns(span.name) + 2 <= right - left else columns(span.name)
                broken = (first, last) != (span.start, span.end)
                assert broken or first == line.start or right + hangs_over <= width


def test_a_span_stays_on_a_line_if_a_line_can_hold_it():
    tokens = [Token("的", True, False) for _ in range(20)]
    shown = Shown("t", "s", tokens, [], [Marked(7, 11, 0, "nt")], {})
    assert [line.end for line in lay_out(shown, 30)] == [7, 17, 20]


def test_a_wide_span_is_in_parts():
    tokens = [Token("的", False, False) for _ in range(30)]
    shown = Shown("t", "s", tokens, [], [Marked(0, 30, 0, "nt")], {})
    lines = lay_out(shown, 24)
    assert [[(first, last) for _, first, last in line.parts(shown.entities)] for line in lines] == [
        [(0, 12)],
        [(12, 24)],
        [(24, 30)],
    ]


@pytest.mark.parametrize("width", [1, 3])
def test_a_token_wider_than_the_line_stands_alone(width):
    shown = Shown("t", "s", [Token("model", False, False), Token("的", True, False)], [], [], {})
    assert [line.end for line in lay_out(shown, width)] == [1, 2]
