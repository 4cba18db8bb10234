"""Cleaning steps: what each changes and leaves, that a second run changes nothing, and spans that follow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_texts import ODD, SENTENCES

from corpus_tools.errors import SettingsError
from corpus_tools.schema import Document, GivenSpan
from corpus_tools.text.clean import LONG_LINE, MOST_REPEATS, STEPS, Cleaner
from corpus_tools.text.edits import edited
from corpus_tools.text.read import Reject


def step(name, text):
    return edited(text, STEPS[name](text))


def clean(text, *steps, spans=()):
    return Cleaner(steps).clean(Document("文", "测试", text, spans=spans))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("零\x00宽\u200b\ufeff字\xad符\x1b[31m\x7f", "零宽字符[31m"),
        ("\u202e反\u202c\u2066向\u2069\u200e\u200f", "反向"),
        ("制\t表\n行", "制\t表\n行"),
        ("一\r\n二\r三\x0c四\u2028五\x85六\r", "一\n二\n三\n四\n五\n六\n"),
        ("一\r\x00\r\n二", "一\n\n二"),
        ("👨\u200d👩\u200d👧 ☎\ufe0f", "👨\u200d👩\u200d👧 ☎\ufe0f"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("中\u200d文a\u200db👨\u200d", "中文ab👨"),
        ("葛\U000e0100城", "葛\U000e0100城"),
    ],
)
def test_control_characters_go_and_line_ends_become_one_kind(text, left):
    assert step("control", text) == left


def test_width_makes_letters_digits_and_the_space_ascii_and_leaves_punctuation():
    assert step("width", "ＡＢＣ１２３　ｘｙｚ，。！？（）：；％＜") == "ABC123 xyz，。！？（）：；％＜"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("　　中 文，  第 一 行 \n  \n\tthe  end \t of\xa0it　", "中文，第一行\n\nthe end of it"),
        ("中 a文 1 字", "中 a文 1 字"),
        ("𠮷 野家 〇 年", "𠮷野家〇年"),
        ("    ", ""),
    ],
)
def test_spaces_go_at_edges_and_between_chinese_and_are_one_elsewhere(text, left):
    assert step("spaces", text) == left


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        (["甲", "甲", " 甲 ", "", "甲", "乙", "甲"], ["甲", "", "乙", "甲"]),
        (["点击下一页继续阅读", "甲"] * 2, ["点击下一页继续阅读", "甲"] * 2),
        (["点击下一页继续阅读", "甲", "乙"] * 6, ["点击下一页继续阅读", *["甲", "乙"] * 6]),
        (["好。", "点击下一页继续阅读"] * 6, ["好。", "点击下一页继续阅读", "好。"]),
        (["嗯。", "好。"] * 40, ["嗯。", "好。"] * 40),
        (["", "", ""], ["", "", ""]),
    ],
)
def test_a_line_that_repeats_the_line_before_goes_and_so_does_boilerplate(lines, left):
    assert step("repeated_lines", "\n".join(lines)) == "\n".join(left)


def test_a_long_line_may_stand_so_often_and_a_short_one_always():
    often, too_often = MOST_REPEATS, MOST_REPEATS + 1
    long, short = "长" * LONG_LINE, "短" * (LONG_LINE - 1)
    for line, times, kept in ((long, often, often), (long, too_often, 1), (short, too_often, too_often)):
        text = "".join(f"{line}\n第{n}行\n" for n in range(times))
        assert step("repeated_lines", text).split("\n").count(line) == kept


PARTS = [*"a中，Ａ９ 　\t\n\r\x00\x85\u200b\u200d👨\ufe0f", "\r\n"]
LINES = ["点击下一页继续阅读", "\n点击下一页继续阅读", "甲\n", "乙\n", " \n"]


@pytest.mark.parametrize("name", STEPS)
@given(text=st.lists(st.sampled_from(PARTS + LINES), max_size=30).map("".join))
def test_a_second_run_changes_nothing(name, text):
    once = step(name, text)
    assert step(name, once) == once


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("text", ODD + SENTENCES)
def test_odd_texts_become_clean_at_once(name, text):
    once = step(name, text)
    assert step(name, once) == once


@pytest.mark.parametrize("name", STEPS)
def test_plain_text_is_left_as_it_is(name):
    text = "\n".join(SENTENCES)
    assert STEPS[name](text) == []


def test_steps_are_carried_out_in_one_order_whatever_order_was_asked_for():
    text = "&#12288;Ａ&nbsp;&nbsp;b<br>\u200b同一行在此\n同一行在此"
    assert Cleaner(["spaces", "html", "width"]).steps == ("html", "width", "spaces")
    assert clean(text, *reversed(STEPS)).text == clean(text, *STEPS).text == "A b\n同一行在此"


def test_a_document_says_what_each_step_has_changed():
    assert clean("１２\x00<b>三</b>", *STEPS).cleaned == {"html": 7, "control": 1, "width": 2}
    untouched = Document("文", "测试", "三")
    assert Cleaner(STEPS).clean(untouched) is untouched


def test_spans_follow_what_is_cleaned():
    text = "<p>在 <b>北 京</b>&amp;上海\x00市。"
    beijing = text.index("北")
    and_, city = text.index("&"), text.index("市")
    spans = (
        GivenSpan(beijing, beijing + 3, "ns"),
        GivenSpan(and_, and_ + 5, "x", "phrase"),
        GivenSpan(and_ + 5, city + 1, "ns"),
        GivenSpan(0, 3, "tag"),
    )
    cleaned = clean(text, *STEPS, spans=spans)
    assert cleaned.text == "在北京&上海市。"
    assert [(cleaned.text[span.start : span.end], *span[2:]) for span in cleaned.spans] == [
        ("北京", "ns", None),
        ("&", "x", "phrase"),
        ("上海市", "ns", None),
        ("", "tag", None),
    ]


@given(st.lists(st.sampled_from([*PARTS, *LINES, "<b>", "&amp;", "<p>"]), max_size=20))
def test_spans_stay_within_the_text_and_in_order(parts):
    text = "".join(parts)
    spans = tuple(GivenSpan(start, end, "x") for start in range(len(text)) for end in (start + 1, len(text)))
    cleaned = clean(text, *STEPS, spans=spans)
    assert all(0 <= span.start <= span.end <= len(cleaned.text) for span in cleaned.spans)


def test_what_cleaning_leaves_empty_is_rejected_and_rejects_pass():
    before = Reject("坏", "测试", "bad_json", "...")
    found = Cleaner(["html"]).clean_all([Document("空", "测试", "<p>\n</p>"), before, Document("文", "测试", "<p>文")])
    empty, passed, document = found
    assert (empty.id, empty.reason) == ("空", "empty")
    assert passed is before
    assert document.text == "文"


def test_an_unknown_step_is_refused_with_the_near_one():
    with pytest.raises(SettingsError, match=r"clean: 'htm' is not known\. Did you mean 'html'\?"):
        Cleaner(["htm"])


HOSTILE = ["\x00", "\r\n", " ", "中 ", "a ", "\n", "a\n", "👨\u200d", "Ａa", "同一行文字很长\n", "\u3000\n"]


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("part", HOSTILE)
def test_long_texts_of_one_thing_are_cleaned_in_one_go(name, part):
    once = step(name, part * 40_000)
    assert step(name, once) == once
