"""Marked text to shards: what was given stands there, token by token, and what is believed first wins."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from batches import documents_of
from hypothesis import given
from hypothesis import strategies as st
from odd_texts import ODD, SENTENCES, small_vocabulary

from corpus_tools.build import build
from corpus_tools.build_settings import BuildSettings
from corpus_tools.cli import main
from corpus_tools.encode.encoder import Encoder
from corpus_tools.errors import OutputError
from corpus_tools.schema import Document, GivenSpan
from corpus_tools.segment import build_segmenter
from corpus_tools.shards.read import open_shards
from corpus_tools.shards.verify import verify
from corpus_tools.spans import GivenSpans
from corpus_tools.text.inputs import ReadSettings

TEXTS = [text for text in [*ODD, *SENTENCES] if text.strip()]


@pytest.fixture
def build_settings(tmp_path, vocab_file):
    return BuildSettings(
        inputs=(str(tmp_path / "in.jsonl"),),
        vocab=str(vocab_file),
        out=str(tmp_path / "out"),
        segmenter="chars",
        tags=(),
        workers=1,
    )


def write_lines(path, *records):
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")


def marked_in(folder):
    """(id, what is marked, its kind) of every span, the tokens joined."""
    reader = open_shards(folder)
    found = []
    for number in range(len(reader)):
        document = reader.document(number)
        for start, end, kind in document.spans.tolist():
            tokens = [reader.vocabulary.tokens[id] for id in document.ids[start:end].tolist()]
            found.append((document.id, "".join(tokens), reader.kinds[kind]["name"]))
    return found


def tokens_of_span(offsets, start, end):
    """The tokens of a span of characters, one by one; nothing where an edge is inside one or there is none."""
    inside = [n for n, (first, last) in enumerate(offsets) if start <= first and last <= end]
    touched = [n for n, (first, last) in enumerate(offsets) if first < end and last > start]
    return (inside[0], inside[-1] + 1) if inside and inside == touched else None


@given(data=st.data())
def test_spans_given_are_the_spans_of_the_shard_and_none_leaves_its_document(data):
    documents = []
    for number, text in enumerate(data.draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4))):
        sizes = data.draw(st.lists(st.integers(1, 12), max_size=8))
        edges = [edge for edge in accumulate([0, *sizes]) if edge <= len(text)]
        spans = tuple(
            GivenSpan(start, end, data.draw(st.sampled_from(["ns", "语"])))
            for start, end in pairwise(edges)
            if data.draw(st.booleans())
        )
        documents.append(Document(str(number), "s", text, spans))
    vocabulary = small_vocabulary()
    finder = GivenSpans(["ns"], ["语"])

    made = Encoder(vocabulary, build_segmenter({"name": "chars"}), [finder]).encode(documents)

    tokenizer = vocabulary.corpus_tokenizer()
    rows = {document.id: document for document in documents_of(made)}
    n_given = 0
    for document in documents:
        offsets = tokenizer.encode(document.text, add_special_tokens=False).offsets
        kind_numbers = {"ns": 0, "语": 1}
        expected = [
            (*tokens, kind_numbers[kind])
            for start, end, kind, _ in document.spans
            if (tokens := tokens_of_span(offsets, start, end))
        ]
        if offsets:
            assert rows[document.id].spans.tolist() == sorted(expected)
        n_given += len(document.spans)
    assert len(made.spans) + made.counts.rejected.total() == n_given


def test_what_is_believed_first_wins_and_what_is_left_over_goes_to_the_next(tmp_path, build_settings):
    write_lines(tmp_path / "in.jsonl", {"id": "a", "text": "研究生命的起源，他是研究生。", "spans": [[6, 8, "own"]]})
    write_lines(tmp_path / "p.jsonl", {"id": "a", "spans": [[5, 7, "told"], [10, 12, "told"]]})
    (tmp_path / "list.txt").write_text("研究\n的起\n", "utf-8")
    (tmp_path / "graph.spo").write_text("研究生命\t是\t书\n他是\t是\t字\n", "utf-8")
    asked = replace(
        build_settings,
        segmenter="jieba",
        kinds=("own", "told"),
        spans=str(tmp_path / "p.jsonl"),
        entities=((None, str(tmp_path / "list.txt")),),
        knowledge=((None, str(tmp_path / "graph.spo")),),
        tags=("vn", "r", "n"),
    )

    manifest = build(asked)

    assert marked_in(asked.out) == [
        ("a", "研究", "list"),  # and not the graph's 研究生命, which is longer
        ("a", "生命", "vn"),
        ("a", "起源", "told"),  # and not the list's 的起, which begins further left, nor the document's 源，
        ("a", "他是", "graph"),  # and not the pronoun 他 of the dictionary
        ("a", "研究", "told"),  # and not the noun 研究生 of the dictionary
    ]
    assert manifest.counters["rejected"] == {"overlapping_span": 1}
    assert [kind["name"] for kind in manifest.kinds] == ["own", "told", "list", "graph", "vn", "r", "n"]


def test_lists_are_matched_against_each_other_by_length_and_named_by_the_first(tmp_path, build_settings):
    write_lines(tmp_path / "in.jsonl", {"id": "a", "text": "研究生命的起源，他是研究生。"})
    (tmp_path / "one.txt").write_text("研究生\n起源\n", "utf-8")
    (tmp_path / "two.txt").write_text("研究生命\n研究生\n起源\n", "utf-8")
    lists = tuple((None, str(tmp_path / name)) for name in ("one.txt", "two.txt"))
    build(replace(build_settings, entities=lists))
    assert marked_in(build_settings.out) == [("a", "研究生命", "two"), ("a", "起源", "one"), ("a", "研究生", "one")]


def test_every_form_of_marked_text_gives_the_same_shard(tmp_path, build_settings):
    text = "北京大学的学生在天安门广场唱歌！"
    spans = [[0, 4, "nt"], [8, 13, "ns"]]
    tags = ["B-nt", *["I-nt"] * 3, *"OOOO", "B-ns", *["I-ns"] * 4, *"OOO"]
    forms = {
        "field.jsonl": json.dumps({"text": text, "spans": spans}),
        "named.jsonl": json.dumps({"text": text, "label": spans}),
        "tags.txt": "<nt>北京大学</nt>的学生在<ns>天安门广场</ns>唱歌！",
        "columns.conll": "\n".join(map(" ".join, zip(text, tags, strict=True))),
        "told.jsonl": json.dumps({"text": text}),
    }
    write_lines(tmp_path / "told.predictions", {"id": "told.jsonl:1", "spans": spans})
    shards = set()
    for name, content in forms.items():
        (tmp_path / name).write_text(content, "utf-8")
        asked = replace(
            build_settings,
            inputs=(str(tmp_path / name),),
            out=str(tmp_path / f"out-{name}"),
            kinds=("nt", "ns"),
            spans=str(tmp_path / "told.predictions") if name == "told.jsonl" else None,
            read=ReadSettings(
                span_field="label" if name == "named.jsonl" else "spans",
                inline_tags=("nt", "ns") if name == "tags.txt" else (),
            ),
        )
        build(asked)
        assert verify(asked.out).problems == []
        document = open_shards(asked.out).document(0)
        shards.add((tuple(document.ids.tolist()), tuple(document.flags.tolist()), str(document.spans.tolist())))
    assert len(shards) == 1


def test_bad_spans_and_undeclared_kinds_are_counted_and_their_documents_kept(tmp_path, build_settings):
    write_lines(
        tmp_path / "in.jsonl",
        {"text": "北京", "spans": [[0, 2, "ns"], [0, 1, "ns"], [0, 9, "ns"], [1, 1, "ns"], "x", [0, 2, "nr"]]},
        {"text": "天安门", "spans": {"all": "wrong"}},
    )
    manifest = build(replace(build_settings, kinds=("ns",)))
    assert manifest.accounting.documents_out == 2
    assert manifest.counters["entities"] == {"ns": 1}
    assert manifest.counters["rejected"] == {
        "empty_span": 1,
        "malformed_span": 2,
        "overlapping_span": 1,
        "span_outside_text": 1,
        "undeclared_kind:nr": 1,
    }


def test_predictions_reach_every_worker_and_every_split(tmp_path, build_settings):
    texts = [SENTENCES[n % len(SENTENCES)] for n in range(60)]
    write_lines(tmp_path / "in.jsonl", *({"id": f"d{n}", "text": text} for n, text in enumerate(texts)))
    write_lines(tmp_path / "p.jsonl", *({"id": f"d{n}", "spans": [[0, 2, "x"]]} for n in reversed(range(60))))
    asked = replace(build_settings, kinds=("x",), spans=str(tmp_path / "p.jsonl"), split_bytes=500)
    manifest = build(replace(asked, workers=2))
    assert len(manifest.shards) > 4
    expected = [(f"d{n}", text[:2], "x") for n, text in enumerate(texts) if not text[0].isdigit()]
    assert [row for row in marked_in(asked.out) if not row[1][0].isdigit()] == expected
    assert build(replace(asked, out=str(tmp_path / "one"))).fingerprint == manifest.fingerprint


def test_predictions_that_changed_are_other_settings(tmp_path, build_settings):
    write_lines(tmp_path / "in.jsonl", {"id": "a", "text": "北京"})
    write_lines(tmp_path / "p.jsonl", {"id": "a", "spans": []})
    asked = replace(build_settings, spans=str(tmp_path / "p.jsonl"))
    build(asked)
    os.utime(tmp_path / "p.jsonl", ns=(5, 5))
    with pytest.raises(OutputError, match=r"--spans \S+ has changed since"):
        build(asked)
    with pytest.raises(OutputError, match=r"--spans \S+ is gone"):
        build(replace(asked, spans=None))


def test_other_kinds_are_other_settings(tmp_path, build_settings):
    write_lines(tmp_path / "in.jsonl", {"id": "a", "text": "北京"})
    build(build_settings)
    with pytest.raises(OutputError, match="another build: kinds was not set, is ns"):
        build(replace(build_settings, kinds=("ns",)))


def test_the_command_line_takes_all_of_it(tmp_path, vocab_file, capsys):
    (tmp_path / "in.txt").write_text("<ns>北京</ns>大学的学生。", "utf-8")
    (tmp_path / "g.spo").write_text("学生\t是\t人\n", "utf-8")
    write_lines(tmp_path / "p.jsonl", {"id": "in.txt:1", "spans": [[2, 4, "语"], [0, 1, "x"]]})
    out = tmp_path / "out"
    line = f"build {tmp_path}/in.txt --vocab {vocab_file} --out {out} --segmenter chars --tags= --workers 1".split()
    more = f"--inline-tags ns --knowledge 人={tmp_path}/g.spo --phrase-kinds 语 --spans {tmp_path}/p.jsonl".split()
    assert main([*line, *more]) == 0
    said = capsys.readouterr().out
    assert "undeclared kind x" in said
    assert marked_in(out) == [("in.txt:1", "北京", "ns"), ("in.txt:1", "大学", "语"), ("in.txt:1", "学生", "人")]
