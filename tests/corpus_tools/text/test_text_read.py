"""Reading: what comes out as it was written, and what is rejected with which reason."""

from __future__ import annotations

import gzip
import json
import lzma
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus_tools.errors import DataError, MissingInputError
from corpus_tools.schema import Document
from corpus_tools.text import ReadSettings, Reject, find_inputs, open_bytes, plan_splits, read_split


def read(path, **settings):
    made = ReadSettings(**settings)
    return [document for split in plan_splits(find_inputs([str(path)])) for document in read_split(split, made)]


def read_text(tmp_path, raw, **settings):
    (tmp_path / "a.txt").write_bytes(raw)
    return read(tmp_path / "a.txt", **settings)


def read_json_line(tmp_path, line, **settings):
    (tmp_path / "a.jsonl").write_bytes(line)
    [found] = read(tmp_path / "a.jsonl", **settings)
    return found


def test_no_character_of_a_document_is_changed(tmp_path):
    text = "　春天 ２０００年\x00\t𠮷野家\u2028👨‍👩‍👧\x0b…  "
    assert read_text(tmp_path, text.encode()) == [Document("a.txt:1", "a.txt", text)]
    assert read_json_line(tmp_path, json.dumps({"text": text}).encode()).text == text


def test_line_ends_of_windows_are_line_ends_and_other_carriage_returns_are_text(tmp_path):
    found = read_text(tmp_path, "\ufeff一\r\n二\r三\r\n\r\n四\r".encode())
    assert found == [Document("a.txt:1", "a.txt", "一\n二\r三"), Document("a.txt:4", "a.txt", "四\r")]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_packed_files_are_unpacked_and_their_members_joined(tmp_path, pack):
    suffix = "gz" if pack is gzip.compress else "xz"
    path = tmp_path / f"a.txt.{suffix}"
    path.write_bytes(pack("春\n\n".encode()) + pack("花\n".encode()))
    assert [d.text for d in read(path)] == ["春", "花"]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_cut_off_packed_file_is_an_error_that_names_it(tmp_path, pack):
    path = tmp_path / ("a.txt.gz" if pack is gzip.compress else "a.txt.xz")
    path.write_bytes(pack("春天来了\n".encode() * 1000)[:-12])
    with pytest.raises(DataError, match=r"a\.txt\..z: damaged or cut short"):
        read(path)


def test_a_plain_file_under_a_packed_name_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_text("春天", "utf-8")
    with pytest.raises(DataError, match="damaged"):
        read(path)


def test_a_document_that_is_not_utf8_is_rejected_and_its_neighbours_are_not(tmp_path):
    found = read_text(tmp_path, "春\n\n一\n".encode() + "花".encode("gb18030") + "\n\n秋\n".encode())
    assert [d.id for d in found] == ["a.txt:1", "a.txt:3", "a.txt:6"]
    assert found[1] == Reject("a.txt:3", "a.txt", "undecodable", "byte 0xbb on its line 2 is not UTF-8")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "\xb4\xba"}', "undecodable"),
        (b'{"text": "\\ud83d"}', "undecodable"),
        (b'{"text": "a"', "bad_json"),
        (b"[" * 100_000, "bad_json"),
        (b'{"text": "a", "n": ' + b"9" * 10_000 + b"}", "bad_json"),
        (b"[1]", "not_an_object"),
        (b'"a"', "not_an_object"),
        (b'{"title": "a"}', "no_text"),
        (b'{"text": null}', "no_text"),
        (b'{"text": ["a"]}', "text_not_a_string"),
        (b'{"text": " \\n\\u3000"}', "empty"),
        (b'{"text": ""}', "empty"),
        (b'{"text": "aaaaaaaaaaaaa"}', "too_long"),
        (b'{"text": "' + b"a" * 100 + b'"}', "too_long"),
    ],
)
def test_a_json_line_that_cannot_be_used_is_rejected_with_its_reason(tmp_path, line, reason):
    limit = {"max_document_chars": 12} if reason == "too_long" else {}
    found = read_json_line(tmp_path, line, **limit)
    assert isinstance(found, Reject)
    assert (found.reason, found.id) == (reason, "a.jsonl:1")
    found.detail.encode("utf-8")


def test_id_and_source_are_kept_as_strings_and_defaulted_where_missing(tmp_path):
    kept = read_json_line(tmp_path, b'{"id": 7, "source": "web", "text": "a", "more": {}}')
    assert kept == Document("7", "web", "a")
    for blank in (b'{"id": "", "text": "a"}', b'{"id": null, "source": "", "text": "a"}'):
        assert read_json_line(tmp_path, blank) == Document("a.jsonl:1", "a.jsonl", "a")
    assert read_json_line(tmp_path, b'{"id": "\\ud83d", "text": "a"}').id == "\\ud83d"


def test_a_reject_keeps_the_id_that_the_line_gave(tmp_path):
    assert read_json_line(tmp_path, b'{"id": "x", "text": ""}').id == "x"


def test_another_field_can_be_the_text(tmp_path):
    assert read_json_line(tmp_path, b'{"text": "a", "body": "b"}', text_field="body").text == "b"


def test_blank_lines_of_json_lines_are_no_documents_but_count_as_lines(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'\xef\xbb\xbf{"text": "a"}\r\n\r\n \n{"text": "b"}\r\n')
    assert [d.id for d in read(tmp_path / "a.jsonl")] == ["a.jsonl:1", "a.jsonl:4"]


def test_too_long_a_document_is_rejected_and_the_next_is_read(tmp_path):
    found = read_text(tmp_path, b"aaaa\nbbbb\n\ncccc\n\n" + b"d" * 100 + b"\ne\n\nf", max_document_chars=5)
    assert [(d.id, getattr(d, "reason", "kept")) for d in found] == [
        ("a.txt:1", "too_long"),
        ("a.txt:4", "kept"),
        ("a.txt:6", "too_long"),
        ("a.txt:9", "kept"),
    ]


def test_a_document_of_just_the_longest_length_is_kept(tmp_path):
    text = "𠮷" * 50
    assert [d.text for d in read_text(tmp_path, text.encode(), max_document_chars=50)] == [text]


def test_a_line_without_end_is_not_held_in_memory(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(64):
            file.write(b"a" * (1 << 20))
    tracemalloc.start()
    try:
        [found] = read(path, max_document_chars=1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.reason == "too_long"
    assert peak < 8 << 20


def test_parquet_gives_the_columns_it_has(tmp_path):
    table = pa.table({"id": pa.array([5, None]), "text": ["春", "花"], "source": ["web", None], "n": [1, 2]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [Document("5", "web", "春"), Document("a.parquet:2", "a.parquet", "花")]


def test_rows_of_parquet_that_cannot_be_used_are_rejected(tmp_path):
    raw = pa.array([b"\xb4\xba", "春".encode(), None, b" "], pa.binary())
    # Arrow takes the file's word for what is text.
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    pq.write_table(pa.table({"text": text}), tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet")
    assert [getattr(d, "reason", d.id) for d in found] == ["undecodable", "a.parquet:2", "no_text", "empty"]

    pq.write_table(pa.table({"text": [1]}), tmp_path / "a.parquet")
    assert [d.reason for d in read(tmp_path / "a.parquet")] == ["text_not_a_string"]


def test_parquet_without_the_text_column_is_refused_with_its_columns(tmp_path):
    pq.write_table(pa.table({"body": ["春"], "n": [1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"no column 'text'. It has: body, n"):
        read(tmp_path / "a.parquet")


def test_a_cut_off_parquet_file_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["春"] * 100}), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.parquet: not readable as Parquet"):
        read(path)


def test_opening_a_missing_file_or_a_folder_is_a_clear_error(tmp_path):
    with pytest.raises(MissingInputError, match="gone"):
        open_bytes(tmp_path / "gone.gz")
    with pytest.raises(DataError, match="cannot be opened"):
        open_bytes(tmp_path)
