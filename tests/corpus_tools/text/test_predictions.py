"""Predicted spans find their documents, whatever the order of the lines; what cannot be matched is told."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_tools.errors import DataError, MissingInputError
from corpus_tools.schema import Document, GivenSpan
from corpus_tools.text import Reject
from corpus_tools.text.predictions import Predictions


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write(path, *lines):
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return path


def added(predictions, *documents):
    return list(predictions.added_to(documents))


def test_spans_are_added_behind_the_documents_own_and_faults_to_its_faults(tmp_path):
    own = Document("b", "s", "北京大学", (GivenSpan(0, 2, "ns"),), {"empty_span": 1})
    lines = [{"id": "a", "spans": []}, {"id": "b", "spans": [[0, 4, "nt"], [0, 0, "nt"], [0, 9, "nt"]]}]
    [document] = added(Predictions(write(tmp_path / "p.jsonl", *lines)), own)
    assert document.spans == (GivenSpan(0, 2, "ns"), GivenSpan(0, 4, "nt"))
    assert document.span_faults == {"empty_span": 2, "span_outside_text": 1}
    assert (document.id, document.text) == ("b", "北京大学")


def test_a_document_without_a_line_is_counted_and_what_was_rejected_is_passed_on(tmp_path):
    predictions = Predictions(write(tmp_path / "p.jsonl", {"id": "a", "spans": None}))
    reject = Reject("x", "s", "empty", "")
    found = added(predictions, Document("a", "s", "春"), reject, Document("b", "s", "夏"))
    assert [getattr(each, "span_faults", None) for each in found] == [{}, None, {"no_prediction": 1}]
    assert found[1] is reject


@settings(max_examples=settings().max_examples // 2)
@given(
    ids=st.lists(st.text(max_size=5).filter(bool) | st.integers(0, 99), unique_by=str, max_size=12),
    asked=st.lists(st.text(max_size=5)),
)
def test_every_id_finds_its_own_line_and_no_other(tmp_path_factory, ids, asked):
    path = tmp_path_factory.mktemp("p") / "p.jsonl"
    write(path, *({"id": id, "spans": [[0, n + 1, "x"]]} for n, id in enumerate(ids)))
    line_of = {str(id): n for n, id in enumerate(ids)}
    asked += line_of
    documents = added(Predictions(path), *(Document(id, "s", "字" * 20) for id in asked))
    for id, document in zip(asked, documents, strict=True):
        expected = (GivenSpan(0, line_of[id] + 1, "x"),) if id in line_of else ()
        assert document.spans == expected


def test_blank_lines_marks_of_byte_order_and_a_last_line_without_end_are_read(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1, "spans": [[0, 1, "x"]]}\r\n \n\n{"id": "2", "spans": [[0, 2, "x"]]}')
    found = added(Predictions(path), Document("1", "s", "春夏"), Document("2", "s", "春夏"))
    assert [document.spans[0].end for document in found] == [1, 2]


def test_the_index_is_made_once_and_again_where_the_file_has_changed(tmp_path, monkeypatch):
    path = write(tmp_path / "p.jsonl", {"id": "a", "spans": []})
    first = Predictions(path).fingerprint
    with monkeypatch.context() as patched:
        patched.setattr(Predictions, "_index", lambda self: pytest.fail("made again"))
        assert Predictions(path).fingerprint == first
    write(path, {"id": "b", "spans": []})
    os.utime(path, ns=(1, 1))
    assert Predictions(path).fingerprint != first
    [document] = added(Predictions(path), Document("b", "s", "春"))
    assert not document.span_faults


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b'{"id": "a", "spans": []}\n{"id": "a", "spans": []}\n', "two lines have the id 'a'"),
        (b'{"id": "a", "spans": []}\n\nnone\n', r"p\.jsonl:3: no JSON"),
        (b'{"id": "a"}\n', r'p\.jsonl:1: expected {"id"'),
        (b'{"spans": []}\n', r'p\.jsonl:1: expected {"id"'),
        (b'{"id": "", "spans": []}\n', r'p\.jsonl:1: expected {"id"'),
        (b"[]\n", r'p\.jsonl:1: expected {"id"'),
        (b"[" * 100_000, r"p\.jsonl:1: no JSON"),
        ('{"id": "春", "spans": []}'.encode("gb18030"), r"p\.jsonl:1: no JSON"),
    ],
)
def test_a_file_that_is_something_else_is_refused_with_its_line(tmp_path, lines, said):
    (tmp_path / "p.jsonl").write_bytes(lines)
    with pytest.raises(DataError, match=said):
        Predictions(tmp_path / "p.jsonl")


def test_a_packed_or_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="Unpack it first"):
        Predictions(tmp_path / "p.jsonl.gz")
    with pytest.raises(MissingInputError, match="gone"):
        Predictions(tmp_path / "gone.jsonl")


def test_a_file_that_changes_under_the_build_is_an_error_that_names_it(tmp_path):
    path = write(tmp_path / "p.jsonl", {"id": "a", "spans": []})
    predictions = Predictions(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"p\.jsonl, byte 0: no JSON.*changed"):
        added(predictions, Document("a", "s", "春"))
