"""Documents that a list names: left out of a build, told why, and accounted for."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from corpus_tools.build import build
from corpus_tools.build_settings import BuildSettings
from corpus_tools.cli import main
from corpus_tools.drop_list import DropList, written
from corpus_tools.errors import DataError, MissingInputError, OutputError
from corpus_tools.schema import Document
from corpus_tools.shards.read import open_shards
from corpus_tools.text.read import Reject


@pytest.fixture
def settings(tmp_path, text_file, vocab_file):
    """Twelve documents, news.txt:1, :4, ... :34, in several shards."""
    return BuildSettings(
        inputs=(str(text_file),),
        vocab=str(vocab_file),
        out=str(tmp_path / "out"),
        segmenter="chars",
        tags=(),
        split_bytes=120,
        workers=1,
        drop=str(tmp_path / "drop.tsv"),
    )


def rejects(settings):
    return [json.loads(line) for line in Path(settings.out, "rejects.jsonl").read_text("utf-8").splitlines()]


def sifted(path, *documents):
    return [item if isinstance(item, Reject) else item.id for item in DropList(str(path)).sift(iter(documents))]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_build_leaves_out_what_the_list_names_and_nothing_else(settings, workers):
    Path(settings.drop).write_text("news.txt:4\tnews.txt:1\t0.912\nnews.txt:34\nnews.txt:5\n", "utf-8")
    manifest = build(replace(settings, workers=workers))
    reader = open_shards(settings.out)
    assert [reader.id(number) for number in range(len(reader))] == [
        f"news.txt:{line}" for line in range(1, 34, 3) if line != 4
    ]
    assert manifest.accounting.documents_in == 12
    assert manifest.accounting.dropped == {"duplicate": 2}
    assert manifest.accounting.balances()
    assert [(each["id"], each["reason"], each["detail"]) for each in rejects(settings)] == [
        ("news.txt:4", "duplicate", "repeats news.txt:1"),
        ("news.txt:34", "duplicate", "named in the list"),
    ]
    assert DropList(settings.drop).unused(Path(settings.out, "rejects.jsonl")) == 1


def test_another_list_is_another_build(settings):
    Path(settings.drop).write_text("news.txt:4\n", "utf-8")
    build(settings)
    Path(settings.drop).write_text("news.txt:7\n", "utf-8")
    with pytest.raises(OutputError, match=f"--drop {settings.drop} has changed since"):
        build(settings)
    with pytest.raises(OutputError, match=f"--drop {settings.drop} is gone"):
        build(replace(settings, drop=None))


def test_an_empty_list_drops_nothing(settings):
    Path(settings.drop).write_bytes(b"")
    assert build(settings).accounting.dropped == {}


def test_of_documents_of_one_id_a_place_names_one(tmp_path):
    path = tmp_path / "drop.tsv"
    path.write_text("b.jsonl:1\ta.jsonl:1\texact\n", "utf-8")
    one, other = Document("7", "s", "好", place="a.jsonl:1"), Document("7", "s", "好", place="b.jsonl:1")
    assert sifted(path, one, other) == ["7", Reject("b.jsonl:1", "s", "duplicate", "repeats a.jsonl:1")]
    path.write_text("7\n", "utf-8")
    assert [item.id for item in DropList(str(path)).sift(iter([one, other]))] == ["7", "7"]
    assert sifted(path, one, other) == [Reject("7", "s", "duplicate", "named in the list")] * 2


def test_what_was_rejected_already_stays_as_it_is(tmp_path):
    (tmp_path / "drop.tsv").write_text("a:1\n", "utf-8")
    reject = Reject("a:1", "s", "empty", "nothing")
    assert sifted(tmp_path / "drop.tsv", reject) == [reject]


@pytest.mark.parametrize("id", ["a\tb", "a\nb", "a\r", "a\\tb", " a ", "文"])
def test_every_id_can_be_written_and_is_found_again(tmp_path, id):
    path = tmp_path / "drop.tsv.gz"
    path.write_bytes(gzip.compress(f"{written(id)}\tx\n".encode()))
    others = [Document(other, "s", "好") for other in ("a", "b", "a b", written(id) + "\\")]
    assert sifted(path, Document(id, "s", "好"), *others)[0] == Reject(id, "s", "duplicate", "repeats x")
    assert sifted(path, *others) == [other.id for other in others]


def test_a_list_may_hold_blank_lines_and_an_entry_twice(tmp_path):
    path = tmp_path / "drop.tsv"
    path.write_text("\ufeffa\tx\r\n\n\t\na\ty\nb", "utf-8")
    assert len(DropList(str(path))) == 2
    assert sifted(path, Document("a", "s", "好"), Document("", "s", "好"))[1:] == [""]


def test_a_list_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(MissingInputError, match="gone"):
        DropList(str(tmp_path / "gone"))
    (tmp_path / "bad").write_bytes(b"\xff\n")
    with pytest.raises(DataError, match="bad:1: not UTF-8"):
        DropList(str(tmp_path / "bad"))


def test_dedup_and_build_work_together(tmp_path, text_file, vocab_file, capsys):
    text_file.write_text(text_file.read_text("utf-8") + "\n研究生命的起源，他是研究生！\n第0行\n", "utf-8")
    drop, out = str(tmp_path / "drop.tsv"), str(tmp_path / "out")
    assert main(["dedup", str(text_file), "--out", drop, "--near", "1"]) == 0
    with Path(drop).open("a", encoding="utf-8") as file:
        file.write("mine:1\n")
    line = ["build", str(text_file), "--vocab", str(vocab_file), "--segmenter", "chars", "--out", out, "--drop", drop]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert f"1 of 2 lines of {drop} name no document" in said
    assert "dropped: duplicate" in said
    assert open_shards(out).manifest.accounting.documents_out == 12
