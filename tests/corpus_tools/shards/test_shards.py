"""Shards: what is written is read, by us and by everyone; what is damaged is named."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import chain

import numpy as np
import pyarrow as pa
import pytest
from batches import of_documents
from datasets import load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_texts import small_vocabulary

from corpus_tools.encode.counts import Counts
from corpus_tools.errors import DataError, DiskError, MissingInputError
from corpus_tools.schema import (
    ENTITY,
    IN_ENTITY,
    IN_PHRASE,
    PARAGRAPH,
    PHRASE,
    SENTENCE,
    SPAN_DTYPE,
    SPECIAL,
    WORD,
    EncodedDocument,
    id_type,
    shard_schema,
)
from corpus_tools.shards import write
from corpus_tools.shards.manifest import Accounting, Manifest, load_manifest
from corpus_tools.shards.read import open_shards
from corpus_tools.shards.verify import problems_of, verify
from corpus_tools.shards.write import finished, record_path, write_shard
from corpus_tools.text.read import Reject

KINDS = [{"name": "名", "mark": "entity"}, {"name": "语", "mark": "phrase"}]
SIZE = small_vocabulary().size


def document(number, length=None):
    draw = np.random.default_rng(number)
    length = length or int(draw.integers(1, 30))
    flags = (draw.integers(0, 2, length) * WORD).astype(np.uint8)
    flags[0] |= WORD | SENTENCE | PARAGRAPH
    spans = []
    if number % 3:
        kind = number % 2
        spans = [(0, min(2, length), kind)]
        flags[0] |= (ENTITY, PHRASE)[kind]
        flags[: spans[0][1]] |= (IN_ENTITY, IN_PHRASE)[kind]
    ids = draw.integers(5, SIZE, length).astype(np.uint16)
    return EncodedDocument(f"文{number}", f"来源{number % 2}", ids, flags, np.array(spans, SPAN_DTYPE))


def encoded(documents, rejects=()):
    return of_documents(documents, rejects, Counts(documents=len(documents), tokens=sum_tokens(documents)))


def sum_tokens(documents):
    return sum(len(document.ids) for document in documents)


def make_folder(folder, shards):
    """A finished folder of the given shards, each a list of documents."""
    records = [write_shard(folder, n, "key", SIZE, [encoded(documents)]) for n, documents in enumerate(shards)]
    counts = Counts()
    for record in records:
        counts.add(Counts.from_json(record.counters))
        record_path(folder, records.index(record)).unlink()
    vocabulary = small_vocabulary()
    vocabulary.save(folder / "tokenizer")
    manifest = Manifest(
        tool_version="0",
        settings={},
        identity={},
        vocabulary={"fingerprint": vocabulary.fingerprint, "size": vocabulary.size},
        kinds=KINDS,
        shards=[record.shard for record in records],
        accounting=Accounting(counts.documents, counts.documents, {}),
        counters=counts.to_json(),
    )
    manifest.save(folder)
    return manifest


@pytest.fixture(params=[None, 40], ids=["one batch", "many batches"])
def folder(request, tmp_path, monkeypatch):
    if request.param:
        monkeypatch.setattr(write, "BATCH_TOKENS", request.param)
    make_folder(tmp_path, [[document(n) for n in range(11)], [], [document(n) for n in range(11, 30)]])
    return tmp_path


def same(ours, theirs):
    assert (ours.id, ours.source) == (theirs.id, theirs.source)
    for name in ("ids", "flags", "spans"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        assert getattr(ours, name).dtype == getattr(theirs, name).dtype


def test_every_document_is_read_as_it_was_written_in_any_order(folder):
    reader = open_shards(folder)
    assert len(reader) == 30
    for number in np.random.default_rng(0).permutation(30).tolist():
        expected = document(number)
        same(reader.document(number), expected)
        assert reader.id(number) == expected.id
        np.testing.assert_array_equal(reader.ids(number), expected.ids)
        np.testing.assert_array_equal(reader.flags(number), expected.flags)
        np.testing.assert_array_equal(reader.spans(number), expected.spans)
        assert reader.lengths[number] == len(expected.ids)
    assert [read.id for read in reader.iterate(9, 13)] == [document(n).id for n in range(9, 13)]
    assert len(list(reader.iterate())) == 30


@st.composite
def any_document(draw):
    ids = draw(st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=20))
    flags = draw(st.lists(st.integers(0, SPECIAL - 1), min_size=len(ids), max_size=len(ids)))
    edges = st.lists(st.integers(0, len(ids)), min_size=2, max_size=2, unique=True).map(sorted)
    spans = sorted((*draw(edges), draw(st.integers(0, 255))) for _ in range(draw(st.integers(0, 4))))
    names = draw(st.tuples(*[st.text(st.characters(codec="utf-8"))] * 2))
    return EncodedDocument(*names, np.array(ids, np.uint16), np.array(flags, np.uint8), np.array(spans, SPAN_DTYPE))


@settings(max_examples=settings().max_examples // 4)
@given(shards=st.lists(st.lists(any_document(), max_size=4), min_size=1, max_size=3))
def test_any_documents_are_read_as_they_were_written(tmp_path_factory, shards):
    folder = tmp_path_factory.mktemp("any")
    make_folder(folder, shards)
    reader = open_shards(folder)
    for ours, theirs in zip(reader.iterate(), chain.from_iterable(shards), strict=True):
        same(ours, theirs)


@pytest.mark.parametrize("number", [-1, 30])
def test_a_number_outside_the_folder_is_an_index_error(folder, number):
    with pytest.raises(IndexError):
        open_shards(folder).document(number)


def test_views_cannot_be_written_to(folder):
    reader = open_shards(folder)
    assert not reader.ids(0).flags.writeable
    assert not reader.flags(0).flags.writeable


def test_the_reader_knows_vocabulary_kinds_and_fingerprint(folder):
    reader = open_shards(folder)
    assert reader.vocabulary.fingerprint == small_vocabulary().fingerprint
    assert reader.kinds == KINDS
    assert reader.fingerprint == load_manifest(folder).fingerprint


def test_datasets_and_pyarrow_open_the_files(folder, tmp_path_factory):
    files = sorted(str(path) for path in folder.glob("*.arrow"))
    table = pa.ipc.open_file(files[0]).read_all()
    assert table.schema.equals(shard_schema(SIZE))
    assert table.column("ids")[0].as_py() == document(0).ids.tolist()
    cache = tmp_path_factory.mktemp("cache")
    theirs = load_dataset("arrow", data_files=files, split="train", cache_dir=str(cache))
    assert theirs[17]["ids"] == document(17).ids.tolist()
    assert theirs[17]["spans"] == [
        dict(zip(("start", "end", "kind"), span, strict=True)) for span in document(17).spans.tolist()
    ]


def test_large_vocabularies_have_wide_ids(tmp_path):
    assert id_type(1 << 16) == np.uint16
    wide = replace(document(1), ids=np.array([70_000], np.uint32), flags=document(1, 1).flags, spans=document(0).spans)
    write_shard(tmp_path, 0, "key", 70_001, [encoded([wide])])
    assert pa.ipc.open_file(tmp_path / "shard-00000.arrow").read_all().column("ids")[0].as_py() == [70_000]


def test_the_fingerprint_is_that_of_the_bytes(tmp_path):
    made = {}
    for name, last in (("a", 4), ("b", 4), ("c", 5)):
        (tmp_path / name).mkdir()
        made[name] = make_folder(tmp_path / name, [[document(1), document(last)]]).fingerprint
    assert made["a"] == made["b"] != made["c"]


def test_a_folder_without_a_manifest_is_an_unfinished_build(folder):
    (folder / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"not finished.*run it again"):
        open_shards(folder)
    with pytest.raises(MissingInputError, match="no such folder"):
        open_shards(folder / "nowhere")


def test_a_truncated_shard_is_named_with_both_sizes(folder):
    path = folder / "shard-00002.arrow"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=rf"shard-00002.arrow: {size - 100:,} bytes found, {size:,} expected"):
        open_shards(folder)
    path.unlink()
    with pytest.raises(DataError, match=r"shard-00002.arrow: missing"):
        open_shards(folder)


def test_a_damaged_shard_of_the_right_size_does_not_open(folder):
    path = folder / "shard-00000.arrow"
    path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(DataError, match="not an Arrow file"):
        open_shards(folder)


def test_another_tokenizer_in_the_folder_is_noticed(folder):
    small_vocabulary(lower_case=False).save(folder / "tokenizer")
    with pytest.raises(DataError, match=r"is vocabulary .* made with"):
        open_shards(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda saved: saved["shards"][0].update(file="../../etc/shard-00000.arrow"), "not the name of a shard"),
        (lambda saved: saved["shards"][0].update(sha256="0" * 64), "changed by hand"),
        (lambda saved: saved.update(format=99), "format 99"),
        (lambda saved: saved.pop("shards"), "not a manifest"),
        (lambda saved: saved["kinds"].append({"name": "x"}), "kinds"),
    ],
)
def test_a_manifest_that_was_tampered_with_is_refused(folder, change, said):
    path = folder / "manifest.json"
    saved = json.loads(path.read_text("utf-8"))
    change(saved)
    path.write_text(json.dumps(saved), "utf-8")
    with pytest.raises(DataError, match=said):
        open_shards(folder)


def test_verify_finds_a_sound_folder_sound(folder):
    verdict = verify(folder)
    assert verdict.problems == []
    assert (verdict.documents, verdict.shards) == (30, 3)


def test_verify_finds_one_flipped_bit(folder):
    path = folder / "shard-00002.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "shard-00002.arrow: its bytes are not those" in verify(folder).problems[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.flags.__setitem__(1, SPECIAL), "128"),
        (lambda d: d.flags.__setitem__(0, d.flags[0] & ~np.uint8(SENTENCE)), "first token"),
        (lambda d: d.flags.__setitem__(0, d.flags[0] & ~np.uint8(IN_ENTITY)), "entity flags"),
        (lambda d: d.flags.__setitem__(3, PHRASE), "phrase flags"),
        (lambda d: d.ids.__setitem__(0, SIZE), f"id {SIZE}"),
        (lambda d: d.spans.__setitem__(0, (0, 99, 0)), "past its end"),
        (lambda d: d.spans.__setitem__(0, (0, 2, 7)), "unknown kind"),
    ],
)
def test_a_document_that_breaks_a_rule_is_described(change, said):
    broken = document(2, length=6)
    assert list(problems_of(broken, SIZE, ["entity", "phrase"])) == []
    change(broken)
    assert any(said in problem for problem in problems_of(broken, SIZE, ["entity", "phrase"]))


def test_a_record_says_what_became_of_every_document(tmp_path):
    rejects = [Reject("x:1", "x", "bad_json", "found <b>"), Reject("x:2", "x", "empty", "")]
    record = write_shard(tmp_path, 3, "key", SIZE, [encoded([document(1)], rejects[:1]), encoded([], rejects[1:])])
    assert record.documents_in == 3
    assert record.dropped == {"bad_json": 1, "empty": 1}
    assert record.shard.rows == 1
    lines = (tmp_path / "shard-00003.rejects.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [asdict(reject) for reject in rejects]
    assert finished(tmp_path, 3, "key") == record


@pytest.mark.parametrize(
    "fault", ["no record", "no shard", "short shard", "torn record", "other settings", "no rejects"]
)
def test_a_shard_that_is_not_done_is_not_taken_for_done(tmp_path, fault):
    write_shard(tmp_path, 0, "key", SIZE, [encoded([document(1)])])
    arrow, record = tmp_path / "shard-00000.arrow", record_path(tmp_path, 0)
    match fault:
        case "no record":
            record.unlink()
        case "no shard":
            arrow.unlink()
        case "short shard":
            arrow.write_bytes(arrow.read_bytes()[:-1])
        case "torn record":
            record.write_text(record.read_text("utf-8")[:50], "utf-8")
        case "no rejects":
            write.rejects_path(tmp_path, 0).unlink()
    assert finished(tmp_path, 0, "other" if fault == "other settings" else "key") is None


def test_an_interrupted_write_leaves_nothing_that_looks_finished(tmp_path):
    def torn():
        yield encoded([document(1)])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path, 0, "key", SIZE, torn())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_to_be_one(tmp_path):
    (tmp_path / "shard-00000.arrow").mkdir()  # a folder stands where the file belongs
    (tmp_path / "shard-00000.arrow" / "x").touch()
    with pytest.raises(DiskError, match="cannot be written"):
        write_shard(tmp_path, 0, "key", SIZE, [encoded([document(1)])])
