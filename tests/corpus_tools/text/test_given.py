"""Spans as they stand in JSON: what is one, and what became of the rest."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus_tools.schema import GivenSpan
from corpus_tools.text import ReadSettings, find_inputs, plan_splits, read_split
from corpus_tools.text.given import given_spans


def read(path, **settings):
    made = ReadSettings(**settings)
    return [found for split in plan_splits(find_inputs([str(path)])) for found in read_split(split, made)]


def test_both_forms_are_spans_and_other_fields_of_an_object_do_not_matter():
    value = [[0, 2, "ns"], {"start": 2, "end": 4, "kind": "语", "mark": "phrase", "score": 0.9}]
    assert given_spans(value, 4) == ((GivenSpan(0, 2, "ns"), GivenSpan(2, 4, "语", "phrase")), {})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([0, 2, "ns"], "malformed_span"),
        ("0-2", "malformed_span"),
        ({"start": 0, "end": 2, "kind": "ns"}, "malformed_span"),
        ([None], "malformed_span"),
        ([[0, 2]], "malformed_span"),
        ([["0", 2, "ns"]], "malformed_span"),
        ([[0.0, 2.0, "ns"]], "malformed_span"),
        ([[False, True, "ns"]], "malformed_span"),
        ([[0, 2, 7]], "malformed_span"),
        ([[0, 2, ["ns"]]], "malformed_span"),
        ([{"start": 0, "end": 2}], "malformed_span"),
        ([{"start": 0, "end": 2, "kind": "ns", "mark": "word"}], "malformed_span"),
        ([{"start": 0, "end": 2, "kind": "ns", "mark": ["entity"]}], "malformed_span"),
        ([[2, 2, "ns"]], "empty_span"),
        ([[3, 1, "ns"]], "empty_span"),
        ([[-1, 2, "ns"]], "span_outside_text"),
        ([[3, 5, "ns"]], "span_outside_text"),
        ([[0, 10**400, "ns"]], "span_outside_text"),
    ],
)
def test_what_is_no_span_of_the_text_is_counted_by_reason(value, reason):
    spans, faults = given_spans(value, 4)
    assert spans == ()
    assert set(faults) == {reason}


def test_the_sound_ones_of_a_list_are_kept():
    assert given_spans([[0, 9, "x"], [0, 4, "x"], 5, None], 4) == (
        (GivenSpan(0, 4, "x"),),
        {"span_outside_text": 1, "malformed_span": 2},
    )


def test_a_line_has_its_spans_and_a_bad_field_costs_no_document(tmp_path):
    lines = [
        {"text": "北京", "spans": [[0, 2, "ns"]]},
        {"text": "𠮷野家", "spans": [{"start": 0, "end": 1, "kind": "x"}], "label": [[1, 3, "y"]]},
        {"text": "上海", "spans": "none"},
        {"text": "天津", "spans": None},
        {"text": "重庆"},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), "utf-8")
    found = read(path)
    assert [document.spans for document in found] == [(GivenSpan(0, 2, "ns"),), (GivenSpan(0, 1, "x"),), (), (), ()]
    assert [dict(document.span_faults) for document in found] == [{}, {}, {"malformed_span": 1}, {}, {}]
    assert [document.spans for document in read(path, span_field="label")][1] == (GivenSpan(1, 3, "y"),)


def test_columns_of_structs_are_spans_and_kinds_that_are_no_text_are_counted(tmp_path):
    span = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("kind", pa.string())])
    spans = pa.array([[{"start": 0, "end": 2, "kind": "ns"}], None, []], pa.list_(span))
    pq.write_table(pa.table({"text": ["北京", "上海", "天津"], "spans": spans}), tmp_path / "a.parquet")
    assert [document.spans for document in read(tmp_path / "a.parquet")] == [(GivenSpan(0, 2, "ns"),), (), ()]

    raw = pa.array([b"\xb4\xba"], pa.binary())
    kinds = pa.Array.from_buffers(pa.string(), 1, raw.buffers())
    row = pa.StructArray.from_arrays([pa.array([0], pa.int32()), pa.array([2], pa.int32()), kinds], fields=list(span))
    spans = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), row)
    pq.write_table(pa.table({"text": ["北京"], "spans": spans}), tmp_path / "b.parquet")
    [document] = read(tmp_path / "b.parquet")
    assert (document.spans, dict(document.span_faults)) == ((), {"malformed_span": 1})
