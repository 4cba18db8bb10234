"""Tags in the text: only those that were asked for, and never at the cost of a character that is text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_tools.errors import SettingsError
from corpus_tools.schema import GivenSpan
from corpus_tools.text import ReadSettings, Reject, find_inputs, plan_splits, read_split
from corpus_tools.text.inline_tags import InlineTags

TAGS = InlineTags(["ns", "nt", "a+b"])


def spans_of(text):
    text, spans, faults = TAGS.taken_out(text)
    return text, [(text[span.start : span.end], span.kind) for span in spans], dict(faults)


def test_tags_are_taken_out_and_everything_else_is_text():
    assert spans_of("他在<ns>北京</ns>，<b>1<2</b>，<a+b>春</a+b>。<nsx>") == (
        "他在北京，<b>1<2</b>，春。<nsx>",
        [("北京", "ns"), ("春", "a+b")],
        {},
    )
    assert spans_of("没有 < 标记 >") == ("没有 < 标记 >", [], {})


def test_nested_tags_mark_both_the_outer_first():
    assert spans_of("<nt><ns>北京</ns>大学</nt>") == ("北京大学", [("北京大学", "nt"), ("北京", "ns")], {})
    assert spans_of("<ns>北<ns>京</ns></ns>") == ("北京", [("北京", "ns"), ("京", "ns")], {})


@pytest.mark.parametrize(
    ("text", "left", "marked"),
    [
        ("<ns>北京", "<ns>北京", []),
        ("北京</ns>", "北京</ns>", []),
        ("</ns>北<ns>京", "</ns>北<ns>京", []),
        ("<nt>北<ns>京</nt>大</ns>", "北<ns>京大</ns>", [("北<ns>京", "nt")]),
        ("<ns>北<ns>京</ns>", "<ns>北京", [("京", "ns")]),
    ],
)
def test_a_tag_without_its_partner_stays_in_the_text_and_is_counted(text, left, marked):
    assert spans_of(text) == (left, marked, {"unpaired_tag": left.count("ns>")})


def test_a_pair_around_nothing_is_counted_and_gone():
    assert spans_of("北<ns></ns>京") == ("北京", [], {"empty_span": 1})


@given(data=st.data())
def test_spans_that_were_written_as_tags_come_back(data):
    text = data.draw(st.text(st.sampled_from("北京<>/ns b𠮷\n"), min_size=1, max_size=30))
    if any(tag in text for tag in ("<ns>", "</ns>")):
        return
    edges = data.draw(st.lists(st.integers(0, len(text)), unique=True, max_size=8).map(sorted))
    spans = list(zip(edges[::2], edges[1::2], strict=False))
    tagged, at = "", 0
    for start, end in spans:
        tagged += f"{text[at:start]}<ns>{text[start:end]}</ns>"
        at = end
    tagged += text[at:]
    if tagged.count("<ns>") != len(spans) or tagged.count("</ns>") != len(spans):
        return  # what stood before a tag has made another one of it
    assert TAGS.taken_out(tagged) == (text, tuple(GivenSpan(*span, "ns") for span in spans), {})


def test_many_tags_that_are_never_closed_or_never_opened_cost_no_more_than_others():
    for text in ("<ns>" * 200_000, "</ns>" * 200_000, "<ns>" * 100_000 + "</nt>" * 100_000):
        assert TAGS.taken_out(text)[0] == text


def test_every_text_is_read_without_its_tags(tmp_path):
    (tmp_path / "a.txt").write_text("<ns>北京</ns>的\n春\n\n<ns></ns>\n", "utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "<nt>天</nt>", "spans": [[0, 1, "x"]]}', "utf-8")
    made = ReadSettings(inline_tags=("ns", "nt"))
    found = [each for split in plan_splits(find_inputs([str(tmp_path)])) for each in read_split(split, made)]
    document, empty, line = found
    assert (document.text, document.spans) == ("北京的\n春", (GivenSpan(0, 2, "ns"),))
    assert isinstance(empty, Reject)
    assert empty.reason == "empty"
    assert (line.text, line.spans) == ("天", (GivenSpan(0, 1, "nt"),))


def test_a_tag_without_a_name_is_refused():
    with pytest.raises(SettingsError, match="empty kind"):
        ReadSettings(inline_tags=("ns", ""))
