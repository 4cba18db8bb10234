"""Given spans: of declared kinds, one for each character and mark, and never beyond their document."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_tools.encode.counts import MAX_UNDECLARED, Counts
from corpus_tools.errors import SettingsError
from corpus_tools.schema import Document, GivenSpan
from corpus_tools.spans import GivenSpans, build_finder
from corpus_tools.text.batch import TextBatch

FINDER = GivenSpans(["ns", "nr", "both"], ["语", "both"])


def batch_of(*documents):
    return TextBatch.of([document.text for document in documents], documents)


def find(batch, finder=FINDER):
    found = finder.find(batch, np.zeros(len(batch.codes), np.uint8))
    columns = zip(found.starts.tolist(), found.ends.tolist(), found.kinds.tolist(), strict=True)
    return [(start, end, *finder.kinds[kind]) for start, end, kind in columns], dict(found.rejected)


def document(n_characters, *spans, **more):
    return Document("d", "s", "字" * n_characters, tuple(GivenSpan(*span) for span in spans), **more)


def test_places_are_counted_through_all_texts():
    batch = batch_of(document(3, (0, 3, "ns")), document(0), document(2), document(4, (1, 2, "nr"), (2, 4, "ns")))
    assert find(batch) == ([(0, 3, "ns", "entity"), (6, 7, "nr", "entity"), (7, 9, "ns", "entity")], {})


def test_a_span_has_the_mark_that_it_says_or_that_of_its_kind():
    spans = [(0, 1, "语"), (1, 2, "both"), (2, 3, "both", "phrase"), (3, 4, "语", "phrase"), (4, 5, "ns", "phrase")]
    assert find(batch_of(document(5, *spans))) == (
        [(0, 1, "语", "phrase"), (1, 2, "both", "entity"), (2, 3, "both", "phrase"), (3, 4, "语", "phrase")],
        {"undeclared_kind:ns": 1},
    )


def test_of_overlapping_spans_the_leftmost_then_the_longest_then_the_first_is_taken():
    spans = [(0, 2, "nr"), (0, 4, "ns"), (0, 4, "nr"), (3, 6, "nr"), (4, 5, "nr"), (0, 2, "语")]
    assert find(batch_of(document(6, *spans))) == (
        [(0, 4, "ns", "entity"), (0, 2, "语", "phrase"), (4, 5, "nr", "entity")],
        {"overlapping_span": 3},
    )


def taken_character_by_character(documents):
    """The spans of each mark by start, then length: each takes its characters where none is taken yet."""
    taken, n_overlapping, begin = [], 0, 0
    for each in documents:
        owned = {"entity": set(), "phrase": set()}
        for start, end, kind, mark in sorted(each.spans, key=lambda span: (span.start, -span.end)):
            mark = mark or ("phrase" if kind == "语" else "entity")
            places = set(range(start, end))
            if places & owned[mark]:
                n_overlapping += 1
            else:
                owned[mark] |= places
                taken.append((begin + start, begin + end, kind, mark))
        begin += len(each.text)
    return taken, n_overlapping


@st.composite
def marked_documents(draw):
    made = []
    for size in draw(st.lists(st.integers(0, 12), max_size=4)):
        places = st.integers(0, size)
        spans = [
            (*sorted(edges), kind)
            for edges, kind in draw(
                st.lists(st.tuples(st.tuples(places, places), st.sampled_from(["ns", "nr", "语"])), max_size=8)
            )
            if edges[0] != edges[1]
        ]
        made.append(document(size, *spans))
    return made


@given(documents=marked_documents())
def test_the_choice_is_that_of_a_walk_over_the_characters(documents):
    taken, n_overlapping = taken_character_by_character(documents)
    found, rejected = find(batch_of(*documents))
    assert sorted(found) == sorted(taken)
    assert found == sorted(found, key=lambda row: row[:1])
    assert rejected == ({"overlapping_span": n_overlapping} if n_overlapping else {})


def test_faults_of_the_documents_are_counted_and_what_was_cleaned_away_is_empty():
    marked = document(4, (2, 2, "ns"), span_faults={"bad_tag": 2})
    assert find(batch_of(marked, marked)) == ([], {"bad_tag": 4, "empty_span": 2})


def test_texts_that_are_of_no_documents_have_no_spans():
    assert find(TextBatch.of(["北京"])) == ([], {})


def test_names_of_undeclared_kinds_are_cut_and_can_be_stored():
    [reason] = find(batch_of(document(2, (0, 1, "名" * 1000))), GivenSpans())[1]
    assert reason == "undeclared_kind:" + "名" * 40
    [reason] = find(batch_of(document(2, (0, 1, "\ud83d"))), GivenSpans())[1]
    assert reason == "undeclared_kind:\\ud83d"


@settings(max_examples=settings().max_examples // 2)
@given(data=st.data())
def test_many_undeclared_kinds_are_counted_alike_in_whatever_order_they_are_added_up(data):
    names = [f"undeclared_kind:{n:04}" for n in range(3 * MAX_UNDECLARED)]
    batches = [dict.fromkeys(data.draw(st.lists(st.sampled_from(names), max_size=250)), 1) for _ in range(3)]
    sums = []
    for order in (batches, batches[::-1]):
        sums.append(Counts())
        for rejected in order:
            one = Counts()
            one.rejected.update(rejected)
            sums[-1].add(one)
    assert sums[0] == sums[1]
    assert sums[0].rejected.total() == sum(map(len, batches))
    assert len(sums[0].rejected) <= MAX_UNDECLARED + 1


def test_kinds_decide_the_fingerprint_and_wrong_ones_are_refused():
    assert FINDER.kinds == (
        ("ns", "entity"),
        ("nr", "entity"),
        ("both", "entity"),
        ("语", "phrase"),
        ("both", "phrase"),
    )
    assert GivenSpans(["ns"]).fingerprint != GivenSpans([], ["ns"]).fingerprint
    for wrong in ("ns", ["ns", "ns"], [""]):
        with pytest.raises(SettingsError, match="expected different names"):
            build_finder({"name": "given", "kinds": wrong})
