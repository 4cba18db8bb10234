"""Builds from text in any encoding and from archives: the same shards, and a page that says what was read."""

from __future__ import annotations

import json
import zipfile

import pytest

from corpus_tools.cli import main

TEXT = "我们在河边走了很久，天快要黑的时候才回家。\n\n第二天她说：“昨天的风真大。”\n\n他没有说话，只是看着窗外的雨。\n"


@pytest.fixture
def built(tmp_path, vocab_file, capsys, caplog):
    """Build a folder of files and return its manifest, with its page, and all warnings and errors under "said"."""

    def run(inputs, *options, code=0):
        (tmp_path / "in").mkdir(exist_ok=True)
        for name, raw in inputs.items():
            (tmp_path / "in" / name).write_bytes(raw)
        out = tmp_path / "-".join(["out", *inputs, *options])
        basic = ["--vocab", str(vocab_file), "--out", str(out), "--segmenter", "chars", "--tags", "", "--workers", "1"]
        assert main(["build", str(tmp_path / "in"), *basic, *options]) == code
        said = capsys.readouterr().err + caplog.text
        for name in inputs:
            (tmp_path / "in" / name).unlink()
        if code:
            return {"said": said}
        page = (out / "report.html").read_text("utf-8")
        return {**json.loads((out / "manifest.json").read_text("utf-8")), "said": said, "page": page}

    return run


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gbk", "utf-16", "utf-32"])
def test_the_encoding_of_a_file_does_not_enter_the_shards(built, encoding):
    plain = built({"a.txt": TEXT.encode()})
    other = built({"a.txt": TEXT.encode(encoding)}, "--encoding", "auto")
    assert other["shards"] == plain["shards"]
    assert other["fingerprint"] == plain["fingerprint"]


def test_the_manifest_the_page_and_the_screen_say_what_was_read_in_which_encoding(built):
    made = built({"a.txt": TEXT.encode("gbk"), "b.txt": b"plain", "c.txt": TEXT.encode("gbk")})
    assert made["encodings"] == {
        "gb18030": {"files": 2, "bytes": 2 * len(TEXT.encode("gbk"))},
        "utf-8": {"files": 1, "bytes": 5},
    }
    assert "read as gb18030: 2 files, the first is in/a.txt (" in made["said"]
    assert "<td>gb18030</td>" in made["page"]


def test_an_archive_counts_by_its_files(built, tmp_path):
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        archive.writestr("a.txt", TEXT)
        archive.writestr("b.txt", TEXT.encode("gbk"))
    made = built({"a.zip": (tmp_path / "x").read_bytes()})
    assert {name: count["files"] for name, count in made["encodings"].items()} == {"utf-8": 1, "gb18030": 1}
    assert made["accounting"]["documents_out"] == 6
    assert len(made["shards"]) == 1


def test_wrong_bytes_are_counted_as_rejects_or_as_replaced_characters(built):
    raw = {"a.txt": TEXT.encode() + b"\n\xff\xe4" + "我\n".encode()}
    assert built(raw)["accounting"]["dropped"] == {"undecodable": 1}
    made = built(raw, "--bad-bytes", "replace")
    assert made["accounting"]["dropped"] == {}
    assert made["counters"]["replaced_characters"] == 2
    assert "characters replaced" in made["page"]
    assert (
        "a.txt:7: byte 0xff on its line 1 is not UTF-8. --bad-bytes"
        in built(raw, "--bad-bytes", "fail", code=65)["said"]
    )


def test_what_cannot_be_read_ends_with_its_code_before_anything_is_written(built, tmp_path):
    assert "--encoding NAME" in built({"a.txt": "Où est l'été ?".encode("latin-1")}, code=65)["said"]
    assert "'latin' is not known" in built({"a.txt": b"a"}, "--encoding", "latin", code=64)["said"]
    with zipfile.ZipFile(tmp_path / "x", "w") as archive:
        archive.writestr("../a.txt", TEXT)
    assert "leads out of the folder" in built({"a.zip": (tmp_path / "x").read_bytes()}, code=77)["said"]
    assert not list(tmp_path.glob("out*"))


def test_a_named_encoding_is_taken_at_its_word(built):
    made = built({"a.txt": "花".encode("gbk")}, "--encoding", "GBK")
    assert made["encodings"] == {"gb18030": {"files": 1, "bytes": 2}}
    assert made["accounting"]["documents_out"] == 1
