"""Builds of text that is cleaned, filtered or traditional: what is kept and counted, and what is another setting."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest
from odd_texts import SENTENCES

from corpus_tools.build import build, plan_build
from corpus_tools.build_settings import BuildSettings
from corpus_tools.cli import main
from corpus_tools.encode.vocabulary import Vocabulary, load_vocabulary
from corpus_tools.errors import OutputError, SettingsError
from corpus_tools.schema import WORD
from corpus_tools.shards.read import open_shards
from corpus_tools.shards.verify import verify
from corpus_tools.text.clean import STEPS
from corpus_tools.text.filters import Filters

DIRTY = [
    {"id": "净", "text": SENTENCES[0]},
    {"id": "标签", "text": f"<p>{SENTENCES[1]}</p>&nbsp;"},
    {"id": "空", "text": "<br><!-- 无 -->"},
    {"id": "短", "text": "<b>好。</b>"},
    {"id": "英", "text": "This is not Chinese at all."},
    {"id": "重复", "text": "点击下一页继续阅读全文\n" * 9},
    {"id": "坏", "text": 5},
]


@pytest.fixture
def settings(tmp_path, vocab_file):
    path = tmp_path / "dirty.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in DIRTY), "utf-8")
    return BuildSettings(
        inputs=(str(path),), vocab=str(vocab_file), out=str(tmp_path / "out"), segmenter="chars", tags=(), workers=1
    )


def rejects(out):
    lines = map(json.loads, (Path(out) / "rejects.jsonl").read_text("utf-8").splitlines())
    return {line["id"]: (line["reason"], line["detail"]) for line in lines}


def test_cleaning_and_filters_account_for_every_document(settings):
    filters = Filters(min_chars=4, min_han=0.5, max_repetition=0.4)
    manifest = build(replace(settings, clean=("spaces", "html"), filters=filters))
    accounting = manifest.accounting
    assert (accounting.documents_in, accounting.documents_out) == (len(DIRTY), 2)
    assert accounting.balances()
    found = rejects(settings.out)
    assert {id: reason for id, (reason, _) in found.items()} == {
        "空": "empty",
        "短": "too_short",
        "英": "few_han",
        "重复": "repetitive",
        "坏": "text_not_a_string",
    }
    assert found["短"][1] == "2 characters, at least 4 asked for"
    assert manifest.counters["cleaned_documents"] == {"html": 1, "spaces": 1}
    assert manifest.counters["cleaned_characters"] == {"html": 13, "spaces": 1}
    assert verify(settings.out).problems == []


def test_repeated_lines_are_cleaned_before_filters_look(settings):
    build(replace(settings, clean=("repeated_lines",), filters=Filters(max_repetition=0.4)))
    assert "重复" not in rejects(settings.out)
    assert len(open_shards(settings.out)) == len(DIRTY) - 1


def test_ids_are_those_of_the_clean_text(settings, tmp_path):
    build(replace(settings, clean=("html", "spaces")))
    plain = tmp_path / "plain.jsonl"
    plain.write_text(json.dumps({"id": "标签", "text": SENTENCES[1] + "\n"}), "utf-8")
    build(replace(settings, inputs=(str(plain),), out=str(tmp_path / "plain")))
    cleaned, alone = open_shards(settings.out).document(1), open_shards(tmp_path / "plain").document(0)
    assert (cleaned.id, cleaned.ids.tolist()) == (alone.id, alone.ids.tolist())
    np.testing.assert_array_equal(cleaned.flags, alone.flags)


def test_spans_that_came_with_a_document_follow_its_text(settings, tmp_path):
    text = "<b>北京大学</b>的<i></i>学生"
    spans = [[0, text.index("的"), "校"], [text.index("<i>"), text.index("学生"), "空"]]
    (tmp_path / "marked.jsonl").write_text(json.dumps({"text": text, "spans": spans}), "utf-8")
    asked = replace(settings, inputs=(str(tmp_path / "marked.jsonl"),), kinds=("校", "空"), clean=("html",))
    manifest = build(asked)
    assert open_shards(asked.out).document(0).spans.tolist() == [(0, 4, 0)]
    assert manifest.counters["rejected"] == {"empty_span": 1}


def test_by_default_nothing_stands_between_reading_and_encoding(settings):
    assert plan_build(settings).parts.stages == ()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"clean": ("html", "control")}, "clean was not set, is control,html"),
        ({"filters": Filters(min_chars=3)}, "min_chars was 0, is 3"),
        ({"segment_as": "simplified"}, "segment_as was not set, is simplified"),
    ],
)
def test_a_folder_of_other_steps_is_left_alone(settings, change, named):
    build(settings)
    with pytest.raises(OutputError, match=named):
        build(replace(settings, **change))


def test_the_order_in_which_steps_were_asked_for_is_no_other_setting(settings):
    first = build(replace(settings, clean=("html", "width")))
    assert build(replace(settings, clean=("width", "html"))).fingerprint == first.fingerprint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"clean": ("htm",)}, "Did you mean 'html'"),
        ({"clean": ("spaces",), "segmenter": "presegmented"}, "between the words of presegmented text"),
        ({"segment_as": "traditional"}, "Known: simplified"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_written(settings, change, said):
    with pytest.raises(SettingsError, match=said):
        build(replace(settings, **change))
    assert not Path(settings.out).exists()


def test_the_command_line_asks_for_steps_and_filters(settings, capsys):
    line = ["build", *settings.inputs, "--vocab", settings.vocab, "--out", settings.out, "--segmenter", "chars"]
    more = ["--workers", "1", "--clean", ",".join(STEPS), "--min-han", "0.5", "--max-symbols", "0.4"]
    assert main([*line, *more]) == 0
    said = capsys.readouterr().out
    for words in ("dropped: few_han", "characters cleaned: html", "documents: 1"):
        assert words in said
    assert main([*line, "--min-han", "2"]) == SettingsError.exit_code


CLEANED = ["--clean", "html,repeated_lines", "--min-han", "0.5", "--min-chars", "4"]


def test_a_vocabulary_is_made_of_the_text_that_build_sees(settings, tmp_path, capsys):
    (tmp_path / "drop.tsv").write_text("净\t标签\texact\n", "utf-8")
    options = [*CLEANED, "--drop", str(tmp_path / "drop.tsv")]
    line = ["vocab", *settings.inputs, "--size", "300", "--out", str(tmp_path / "learnt"), *options]
    assert main([*line, "--dry-run"]) == 0
    assert main(line) == 0
    said = capsys.readouterr().out

    basic = ["--out", settings.out, "--segmenter", "chars", "--tags", "", "--workers", "1"]
    assert main(["build", *settings.inputs, "--vocab", str(tmp_path / "learnt"), *basic, *options]) == 0
    reader = open_shards(settings.out)
    assert {"duplicate", "few_han", "too_short", "empty"} <= reader.manifest.accounting.dropped.keys()
    for reason, n in reader.manifest.accounting.dropped.items():
        assert f"documents dropped: {reason} {n}" in " ".join(said.split())
    learnt = set(load_vocabulary(tmp_path / "learnt").tokens[104:])
    ids = {id for number in range(len(reader)) for id in reader.document(number).ids.tolist()}
    assert learnt == {reader.vocabulary.tokens[id] for id in ids}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--clean", "htm"], 64, "Did you mean 'html'"),
        (["--min-han", "2"], 64, "min_han"),
        (["--drop", "nowhere.tsv"], 66, "nowhere.tsv"),
    ],
)
@pytest.mark.parametrize("verb", ["vocab", "phrases"])
def test_what_asks_for_no_text_is_told_before_any_is_read(settings, tmp_path, verb, words, code, said, capsys):
    size = ["--size", "300"] if verb == "vocab" else []
    assert main([verb, *settings.inputs, *size, "--out", str(tmp_path / "made"), "--dry-run", *words]) == code
    assert said in capsys.readouterr().err


TRADITIONAL = "我在臺灣大學唸書，你還記得臺灣大學嗎？"


@pytest.fixture
def traditional(settings, tmp_path):
    """A build of traditional text, every character of it in the vocabulary."""
    (tmp_path / "traditional.jsonl").write_text(json.dumps({"id": "繁", "text": TRADITIONAL}), "utf-8")
    head = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    Vocabulary(head + sorted(set(TRADITIONAL)), True).save(tmp_path / "traditional")
    return replace(
        settings,
        inputs=(str(tmp_path / "traditional.jsonl"),),
        vocab=str(tmp_path / "traditional"),
        segmenter="jieba",
        tags=("nt",),
    )


def marked(out):
    """The document's text, where its words begin, and its spans with their kinds."""
    reader = open_shards(out)
    document = reader.document(0)
    text = "".join(reader.vocabulary.tokens[id] for id in document.ids.tolist())
    spans = [(text[start:end], reader.kinds[kind]["name"]) for start, end, kind in document.spans.tolist()]
    return text, np.flatnonzero(document.flags & WORD).tolist(), spans


def test_words_and_tags_of_the_copy_stand_in_the_traditional_text(traditional, tmp_path):
    as_it_is, simplified = build(traditional), tmp_path / "simplified"
    manifest = build(replace(traditional, out=str(simplified), segment_as="simplified"))
    text, starts, spans = marked(simplified)
    assert text == TRADITIONAL
    assert {2, 6, 9, 10, 11, 13, 17} <= set(starts)
    assert not {3, 4, 5, 12, 14, 15, 16} & set(starts)
    assert spans == [("臺灣大學", "nt")] * 2
    assert marked(traditional.out)[2] == []
    assert manifest.counters["simplified_singly"] == 0
    assert manifest.shards != as_it_is.shards


@pytest.mark.parametrize("entry", ["臺灣大學", "台湾大学"])
def test_entries_match_in_both_forms(traditional, tmp_path, entry):
    path = tmp_path / "校.txt"
    path.write_text(f"{entry}\n", "utf-8")
    build(replace(traditional, entities=((None, str(path)),), tags=(), segment_as="simplified"))
    assert marked(traditional.out)[2] == [("臺灣大學", "校")] * 2


def test_the_verb_segment_shows_the_words_of_the_copy(monkeypatch, capsysbinary):
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO("你還記得臺灣大學\n".encode())))
    assert main(["segment", "--segment-as", "simplified", "--separator", "/"]) == 0
    assert capsysbinary.readouterr().out.decode() == "你/還/記得/臺灣大學\n"
