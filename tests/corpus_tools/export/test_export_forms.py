"""What an export holds is what the shards hold, and static masks are those that a masker draws one by one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from datasets import load_from_disk
from transformers import AutoTokenizer, DataCollatorForTokenClassification

from corpus_tools.encode.vocabulary import load_vocabulary
from corpus_tools.errors import MissingInputError, SettingsError
from corpus_tools.export import build_form, pieces
from corpus_tools.export.run import export
from corpus_tools.masking import build_masker, masking_settings
from corpus_tools.masking.cut import cut
from corpus_tools.schema import PARAGRAPH, SENTENCE, WORD


def exported(reader, out, **settings):
    form = build_form(settings)
    rows = []
    n_bytes = export(reader, form, out, rows.append)
    assert sum(rows) == form.n_rows(reader)
    assert n_bytes == sum(path.stat().st_size for path in [out, *out.rglob("*")] if path.is_file())
    return load_from_disk(str(out)) if out.is_dir() else list(map(json.loads, out.read_text("utf-8").splitlines()))


def assert_row_is(row, document):
    assert (row["id"], row["source"]) == (document.id, document.source)
    assert row["ids"] == document.ids.tolist()
    assert row["flags"] == document.flags.tolist()
    assert [(span["start"], span["end"], span["kind"]) for span in row["spans"]] == document.spans.tolist()


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(pieces, "BATCH_TOKENS", 50)


def test_a_data_set_holds_the_documents_of_the_shards(reader, tmp_path):
    rows = exported(reader, tmp_path / "rows", name="datasets")
    assert len(rows) == len(reader) == 8
    for row, document in zip(rows, reader.iterate(), strict=True):
        assert_row_is(row, document)
    assert len(list((tmp_path / "rows").glob("*.arrow"))) == 3
    assert load_vocabulary(tmp_path / "rows" / "tokenizer").fingerprint == reader.vocabulary.fingerprint


def test_a_data_set_names_the_kinds(reader, tmp_path):
    rows = exported(reader, tmp_path / "rows", name="datasets")
    kind = rows.features["spans"].feature["kind"]
    assert kind.names == [f"{each['mark']}:{each['name']}" for each in reader.kinds]
    assert {kind.int2str(span["kind"]) for row in rows for span in row["spans"]} >= {"entity:名", "phrase:语"}


@pytest.mark.usefixtures("small_batches")
def test_stretches_hold_each_token_once(reader, tmp_path):
    rows = exported(reader, tmp_path / "rows", name="datasets", row_tokens=12)
    assert max(len(row["ids"]) for row in rows) == 10
    for document in reader.iterate():
        mine = [row for row in rows if row["id"] == document.id]
        assert [token for row in mine for token in row["ids"]] == document.ids.tolist()
        assert [flag for row in mine for flag in row["flags"]] == document.flags.tolist()
        covered = np.zeros((len(document.ids), len(reader.kinds)), bool)
        for start, end, kind in document.spans.tolist():
            covered[start:end, kind] = True
        for number, row in enumerate(mine):
            for span in row["spans"]:
                assert 0 <= span["start"] < span["end"] <= len(row["ids"])
                covered[10 * number + span["start"] : 10 * number + span["end"], span["kind"]] ^= True
        assert not covered.any()


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("row_tokens", [None, 12])
def test_lines_say_what_the_flags_say(reader, tmp_path, row_tokens):
    lines = exported(reader, tmp_path / "marked.jsonl", name="jsonl", row_tokens=row_tokens)
    rows = exported(reader, tmp_path / "rows", name="datasets", row_tokens=row_tokens)
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        assert (line["id"], line["source"]) == (row["id"], row["source"])
        assert line["tokens"] == [reader.vocabulary.tokens[number] for number in row["ids"]]
        for name, bit in (("words", WORD), ("sentences", SENTENCE), ("paragraphs", PARAGRAPH)):
            assert [place for start, end in line[name] for place in range(start, end)] == list(range(len(row["ids"])))
            assert [start for start, _ in line[name][1:]] == [
                n for n, flag in enumerate(row["flags"]) if n and flag & bit
            ]
        spans = {"entity": [], "phrase": []}
        for span in row["spans"]:
            kind = reader.kinds[span["kind"]]
            spans[kind["mark"]].append({"start": span["start"], "end": span["end"], "kind": kind["name"]})
        assert (line["entities"], line["phrases"]) == (spans["entity"], spans["phrase"])


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("name", ["wwm", "entity", "ernie_char"])
def test_static_masks_are_those_drawn_one_by_one(reader, tmp_path, name):
    rows = exported(reader, tmp_path / "rows", name="static", masking=name, row_tokens=20, dupe_factor=3, seed=7)
    masker = build_masker(masking_settings(name), reader.vocabulary)
    sequences = [
        (document.id, sequence)
        for document in reader.iterate()
        for sequence in cut(document, 20, reader.vocabulary.cls_id, reader.vocabulary.sep_id)
    ]
    wanted = []
    for copy in range(3):
        for number, (document, sequence) in enumerate(sequences):
            drawn = masker.draw(sequence.ids, sequence.flags, sequence.spans, (7, copy, number))
            labels = [int(token) if unit else -100 for token, unit in zip(sequence.ids, drawn.chosen, strict=True)]
            wanted.append((document, drawn.ids.tolist(), [0] * len(labels), labels))
    assert [(row["id"], row["input_ids"], row["token_type_ids"], row["labels"]) for row in rows] == wanted
    copies = [wanted[start : start + len(sequences)] for start in range(0, len(wanted), len(sequences))]
    assert copies[0] != copies[1] != copies[2] != copies[0]


def test_static_masks_are_padded_by_transformers_own_collator(reader, tmp_path):
    rows = exported(reader, tmp_path / "rows", name="static", row_tokens=20, dupe_factor=1)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "rows" / "tokenizer")
    batch = DataCollatorForTokenClassification(tokenizer)([dict(row) for row in rows.remove_columns("id")])
    assert batch["labels"].shape == batch["input_ids"].shape == batch["token_type_ids"].shape == (len(rows), 20)
    padded = batch["attention_mask"] == 0
    assert padded.any()
    assert (batch["labels"][padded] == -100).all()
    assert batch["labels"].dtype == torch.int64


def test_a_data_set_of_shards_without_kinds_opens(reader_without_kinds, tmp_path):
    rows = exported(reader_without_kinds, tmp_path / "rows", name="datasets")
    assert [row["spans"] for row in rows] == [[]] * 8
    assert rows.features["spans"].feature["kind"].names == []


def test_what_differs_has_another_fingerprint(reader, tmp_path):
    """`datasets` keeps what it makes of a data set under this name."""
    kinds = [{"name": "static", "dupe_factor": 1, **more} for more in ({}, {"seed": 1}, {"masking": "char"})]
    kinds.append({"name": "datasets"})
    prints = [exported(reader, tmp_path / str(n), **settings)._fingerprint for n, settings in enumerate(kinds)]
    assert len(set(prints)) == len(kinds)


@pytest.mark.parametrize("form", [{"name": "datasets"}, {"name": "jsonl"}, {"name": "static", "dupe_factor": 4}])
def test_the_size_is_estimated(reader, tmp_path, form):
    made = build_form(form)
    export(reader, made, tmp_path / "out")
    files = [tmp_path / "out"] if form["name"] == "jsonl" else (tmp_path / "out").glob("*.arrow")
    found = sum(path.stat().st_size for path in files)
    # Eight short documents: most of the bytes of an Arrow file are about its columns.
    assert found / 8 <= made.n_bytes(reader) <= found * 2


def test_a_batch_ends_at_its_bounds(monkeypatch):
    monkeypatch.setattr(pieces, "BATCH_TOKENS", 10)
    monkeypatch.setattr(pieces, "BATCH_ROWS", 3)
    lengths = [4, 4, 4, 1, 1, 1, 1, 50, 2]
    assert list(pieces.batches((n, n) for n in lengths)) == [[4, 4, 4], [1, 1, 1], [1, 50], [2]]
    assert list(pieces.batches([])) == []


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"name": "json"}, SettingsError, "Did you mean 'jsonl'"),
        ({"name": "jsonl", "masking": "wwm"}, SettingsError, "export.masking: jsonl has no such setting"),
        ({"name": "static", "masking": "wmm"}, SettingsError, "Did you mean 'wwm'"),
        ({"name": "static", "masking": "gone.yaml"}, MissingInputError, "gone.yaml"),
        ({"name": "static", "dupe_factor": 0}, SettingsError, "1 is the least"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(settings, error, said):
    with pytest.raises(error, match=said):
        build_form(settings)


def test_a_row_without_room_is_refused(reader):
    for form in ("datasets", "jsonl", "static"):
        with pytest.raises(SettingsError, match="row_tokens: 2 leaves no room"):
            build_form({"name": form, "row_tokens": 2}).n_rows(reader)
