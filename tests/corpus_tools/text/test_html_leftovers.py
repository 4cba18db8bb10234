"""HTML leftovers: what goes, what is text, and that nothing complete is left."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_html import without_html

from corpus_tools.text.edits import edited
from corpus_tools.text.html_leftovers import html_edits


def clean(text):
    return edited(text, html_edits(text))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("今天<em>北京</em>晴", "今天北京晴"),
        ("<p>第一段</p><p class='x'>第二段</P >", "第一段\n第二段\n"),
        ("一<br>二<br/>三", "一\n二\n三"),
        ('见<a href="http://a.cn/?x=1&y=2"\n target=_blank>这里</a>。', "见这里。"),
        ("<td>甲</td><td>乙</td>", "甲\n乙\n"),
        ("<!DOCTYPE html><?xml version='1.0'?>正文", "正文"),
        ("正<!-- 注 <p>释</p> a > b -->文", "正文"),
        ("<!--[if gte mso 9]><xml><o:p></o:p></xml><![endif]-->正文", "正文"),
        ("<script>if (a<b && c>d) {}</script>正文<style>p{}</style>", "正文\n"),
        ("北京<o:p></o:p>大学<st1:chsdate year='2007'>1日</st1:chsdate>", "北京大学1日"),
        ("&nbsp;&ldquo;你好&rdquo;&#65292;&#x4E16;&#X754c;&hellip;&#150;&#0;", "\xa0“你好”，世界…–\ufffd"),
        ("&amp;amp;lt;b&amp;gt;双重转义", "双重转义"),
        ("&#1;&#xD800;&#99999999999999999999;", "\ufffd\ufffd"),
    ],
)
def test_leftovers_go_and_entities_are_decoded(text, left):
    assert clean(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "a < b 且 c > d",
        "a<b",
        "#include <stdio.h>",
        "std::vector<int> x",
        "用 <script 来测试 > 重定向",
        "<张三> <3 <- -> <> </> <1> <b",
        "<http://a.cn> <mailto:a@b.cn>",
        "&copy=1&x; &notit; &; &#; &#x; &#12a; AT&T; & nbsp;",
        "流程 A --> B",
        "",
    ],
)
def test_what_is_no_html_is_text(text):
    assert clean(text) == text


@pytest.mark.parametrize(("text", "left"), [("<!-- 没有完", "<!-- 没有完"), ("<script>正文", "正文"), ("<p", "<p")])
def test_what_never_ends_takes_nothing_else_with_it(text, left):
    assert clean(text) == left


PARTS = [
    *"<>&;/#!-? \nb甲1",
    *("<b>", "</b>", "p", "p>", "<p ", "script", "<script>", "</script>", "<style", "o:p", "![", "<!--", "-->", "--"),
    *("  ", " " * 64, "//"),
    *("amp", "lt;", "&lt;", "&gt", "gt;", "#59", "&#59;", "&#x3C;", "#38;", "nbsp;", "&NotEqualTilde;", "!doctype"),
]
texts = st.lists(st.sampled_from(PARTS), max_size=25).map("".join)


@given(texts)
@settings(max_examples=settings().max_examples * 10)
def test_what_is_left_is_what_regular_expressions_leave_and_stays_so(text):
    left = clean(text)
    assert left == without_html(text)
    assert clean(left) == left


@given(texts)
def test_edits_are_in_order_and_change_something(text):
    behind = 0
    for start, end, new in html_edits(text):
        assert behind <= start <= end
        assert text[start:end] != new
        behind = end
    assert behind <= len(text)


LONG = {
    "less": "<" * 300_000,
    "less and semicolon": "<;" * 150_000,
    "and": "&" * 300_000,
    "comments": "<!--" * 75_000 + "-->" * 75_000,
    "entities": "&#59" * 75_000 + ";",
    "nested": "<" * 100_000 + "b>" * 100_000,
    "nothing": "字" * 150_000 + "&#1;" * 40_000,
    "gaps": "<b" + " " * 100_000 + "的" + "<script>></script>" * 10_000,
    "scripts": "<" * 150_000 + "<script></script>" * 9_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_texts_of_nothing_but_beginnings_are_read_once(text):
    left = clean(text)
    assert clean(left) == left
