"""Reading: what comes out as it was written, and what is rejected with which reason."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chinese_texts import SIMPLIFIED, TRADITIONAL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus_tools.errors import DataError, MissingInputError
from corpus_tools.schema import Document
from corpus_tools.text import ReadSettings, Reject, find_inputs, open_bytes, plan_splits, read_split
from corpus_tools.text.encodings import ENCODINGS

PACK = {"gz": gzip.compress, "xz": lzma.compress, "zst": lambda raw: pa.compress(raw, codec="zstd", asbytes=True)}


def read(path, **settings):
    made = ReadSettings(**settings)
    splits = plan_splits(find_inputs([str(path)], made), settings=made)
    return [document for split in splits for document in read_split(split, made)]


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


@pytest.mark.parametrize("suffix", PACK)
def test_packed_files_are_unpacked_and_their_members_joined(tmp_path, suffix):
    path = tmp_path / f"a.txt.{suffix}"
    path.write_bytes(PACK[suffix]("春\n\n".encode()) + PACK[suffix]("花\n".encode()))
    assert [d.text for d in read(path)] == ["春", "花"]


@pytest.mark.parametrize("suffix", PACK)
def test_a_cut_off_packed_file_is_an_error_that_names_it(tmp_path, suffix):
    path = tmp_path / f"a.txt.{suffix}"
    path.write_bytes(PACK[suffix](os.urandom(100_000).hex().encode())[:-12])
    with pytest.raises(DataError, match=rf"a\.txt\.{suffix}: damaged or cut short"):
        read(path)


def test_a_plain_file_under_a_packed_name_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_text("春天", "utf-8")
    with pytest.raises(DataError, match=r"a\.txt\.gz: begins with the bytes .* so it is not gzip"):
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
        (b'{"text": "a", "n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "bad_json"),
        (b'{1: 2, "text": "a"}', "bad_json"),
        (b'{"text": "\xc0\x80"}', "undecodable"),
        (b'{"text": "\xed\xa0\x80"}', "undecodable"),
        (b'{"text": "\xe6\x98"}', "undecodable"),
        (b'{"text": "a", "n": ' + b"9" * 10_000 + b"}", "bad_json"),
        (b'{"text": "a", "n": ' + b"9" * 10_000_000 + b"}", "bad_json"),
        (b'{"text": "a", "n": ' + b"9" * 100 + b"}", "too_long"),
        (b'{"text": "a"}{"text": "b"}', "bad_json"),
        (b'{"text": NaN}', "text_not_a_string"),
        (b'{"text": true}', "text_not_a_string"),
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
    found = read_json_line(tmp_path, line, encoding="utf-8", **limit)
    assert isinstance(found, Reject)
    assert (found.reason, found.id) == (reason, "a.jsonl:1")
    found.detail.encode("utf-8")


def test_id_and_source_are_kept_as_strings_and_defaulted_where_missing(tmp_path):
    kept = read_json_line(tmp_path, b'{"id": 7, "source": "web", "text": "a", "more": {}}')
    assert kept == Document("7", "web", "a")
    assert read_json_line(tmp_path, b'{"id": 123456789012345678901, "text": "a"}').id == "123456789012345678901"
    assert read_json_line(tmp_path, b'{"id": 1.50, "source": 1e2, "text": "a"}') == Document("1.5", "100.0", "a")
    for blank in (b'{"id": "", "text": "a"}', b'{"id": null, "source": "", "text": "a"}'):
        assert read_json_line(tmp_path, blank) == Document("a.jsonl:1", "a.jsonl", "a")
    assert read_json_line(tmp_path, b'{"id": "\\ud83d", "text": "a"}').id == "\\ud83d"


def test_a_reject_keeps_the_id_that_the_line_gave(tmp_path):
    assert read_json_line(tmp_path, b'{"id": "x", "text": ""}').id == "x"


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": "a", "n": NaN, "m": -Infinity}',
        b'{"text": "b", "text": "a"}',
        b'{"n": ' + b"9" * 4000 + b', "text": "a"}',
        b'{"n": 1e999, "text": "a"}',
        b'{"n": ' + b"[" * 900 + b"]" * 900 + b', "text": "a"}',
        b'\t {"text": "a"} \r',
        b'{"title": "\\ud83d", "text": "a"}',
    ],
)
def test_a_json_line_that_python_reads_is_read(tmp_path, line):
    assert json.loads(line)["text"] == "a"
    assert read_json_line(tmp_path, line) == Document("a.jsonl:1", "a.jsonl", "a")


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


@pytest.mark.parametrize("name", ["text", "id"])
def test_parquet_with_two_columns_of_a_name_is_refused(tmp_path, name):
    columns = {"text": pa.array(["春"]), "id": pa.array(["7"])}
    pq.write_table(pa.table([*columns.values(), columns[name]], names=[*columns, name]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=rf"a\.parquet: the column '{name}' stands there twice. Give"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pa.array(["春"]).dictionary_encode(), "春"),
        (pa.array(["春"], pa.large_string()), "春"),
        (pa.array(["春".encode()], pa.binary()), "春"),
        (pa.array([["春"]]), "text_not_a_string"),
        (pa.array([{"a": "春"}]), "text_not_a_string"),
        (pa.array([float("nan")]), "text_not_a_string"),
        (pa.array([None]), "no_text"),
    ],
    ids=["dictionary", "large", "binary", "list", "struct", "number", "null"],
)
def test_a_column_of_parquet_is_text_or_each_row_is_rejected(tmp_path, column, found):
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    [document] = read(tmp_path / "a.parquet")
    assert getattr(document, "text" if isinstance(document, Document) else "reason") == found


def test_tables_of_text_are_refused_by_name_and_are_text_as_they_stand_under_another(tmp_path):
    table = b'id,text\n1,"a ""quoted"" cell,\nwith a line end"\n2,"open\n'
    for name in ("a.csv", "a.tsv"):
        (tmp_path / name).write_bytes(table)
        with pytest.raises(DataError, match=rf"{name}: not a file of a known kind. Known: \.txt, \.jsonl"):
            read(tmp_path / name)
    assert [d.text for d in read_text(tmp_path, table)] == [table.decode().rstrip()]


def test_parquet_without_the_text_column_is_refused_with_its_columns(tmp_path):
    pq.write_table(pa.table({"body": ["春"], "n": [1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"no column 'text'. It has: body, n"):
        read(tmp_path / "a.parquet")


def test_a_cut_off_parquet_file_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["春"] * 100}), path)
    for raw in (path.read_bytes()[:-20], b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"):
        path.write_bytes(raw)
        with pytest.raises(DataError, match=r"a\.parquet: not readable as Parquet"):
            read(path)


def test_opening_a_missing_file_or_a_folder_is_a_clear_error(tmp_path):
    with pytest.raises(MissingInputError, match="gone"):
        open_bytes(tmp_path / "gone.gz")
    with pytest.raises(DataError, match="cannot be opened"):
        open_bytes(tmp_path)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((SIMPLIFIED, encoding) for encoding in ("utf-8", "utf-8-sig", "gb2312", "gbk", "gb18030")),
        *((TRADITIONAL, encoding) for encoding in ("utf-16", "utf-16-le", "utf-16-be", "gbk", "big5")),
        *((TRADITIONAL, encoding) for encoding in ("utf-32", "utf-32-le", "utf-32-be")),
        (TRADITIONAL + "佢哋喺度食嘢。\n", "big5hkscs"),
        (SIMPLIFIED + "𠮷野家。\n", "gb18030"),
    ],
)
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_the_same_documents_come_out_of_every_encoding(tmp_path, text, encoding, packed):
    (tmp_path / "plain.txt").write_text(text, "utf-8")
    expected = [(document.id.partition(":")[2], document.text) for document in read(tmp_path / "plain.txt")]
    lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\r\n" for text in text.split("\n\n"))
    for name, content in (("a.txt", text), ("a.jsonl", lines)):
        raw = content.encode(encoding)
        (tmp_path / f"{name}{packed}").write_bytes(gzip.compress(raw) if packed else raw)
    found = read(tmp_path / f"a.txt{packed}")
    assert [(document.id.partition(":")[2], document.text) for document in found] == expected
    assert [document.text for document in read(tmp_path / f"a.jsonl{packed}")] == text.split("\n\n")


@pytest.mark.parametrize("encoding", ["gb18030", "big5"])
def test_full_width_spaces_end_a_document_in_other_encodings_too(tmp_path, encoding):
    text = TRADITIONAL.replace("\n\n", "\n\u3000\u3000\n")
    assert [d.id for d in read_text(tmp_path, text.encode(encoding))] == ["a.txt:1", "a.txt:3", "a.txt:5"]


def test_wrong_bytes_are_rejected_replaced_or_the_end_of_it_as_was_asked_for(tmp_path):
    raw = SIMPLIFIED.encode("gb18030") + b"\n" + "天\ufffd".encode("gb18030") + b"\xff\xff\xb4\n"
    *good, bad = read_text(tmp_path, raw)
    assert [d.text for d in good] == SIMPLIFIED.rstrip().split("\n\n")
    assert bad == Reject("a.txt:7", "a.txt", "undecodable", "byte 0xff on its line 1 is not GB18030")

    *good, patched = read_text(tmp_path, raw, bad_bytes="replace")
    assert (patched.text, patched.n_replaced) == ("天\ufffd\ufffd\ufffd\ufffd", 3)
    assert [d.n_replaced for d in good] == [0, 0, 0]

    with pytest.raises(DataError, match=r"a\.txt:7: byte 0xff .*--bad-bytes reject"):
        read_text(tmp_path, raw, bad_bytes="fail")


@pytest.mark.parametrize("line", [b'{"id": "x", "text": "a\xffb"}', b'{"id": "x", "text": "a\\ud83db"}'])
def test_wrong_characters_in_json_are_rejected_replaced_or_the_end_of_it_as_was_asked_for(tmp_path, line):
    assert read_json_line(tmp_path, line, encoding="utf-8").reason == "undecodable"
    patched = read_json_line(tmp_path, line, encoding="utf-8", bad_bytes="replace")
    assert (patched.id, patched.text, patched.n_replaced) == ("x", "a\ufffdb", 1)
    with pytest.raises(DataError, match=r"a\.jsonl:1: .*--bad-bytes reject"):
        read_json_line(tmp_path, line, encoding="utf-8", bad_bytes="fail")


def test_a_wide_file_loses_only_the_documents_that_are_wrong(tmp_path):
    raw = (SIMPLIFIED + "\n").encode("utf-16-le") + b"\x3d\xd8" + "花\n\n秋\n".encode("utf-16-le") + b"a"
    *good, bad, last = read_text(tmp_path, raw)
    assert [d.text for d in good] == SIMPLIFIED.rstrip().split("\n\n")
    assert bad == Reject("a.txt:7", "a.txt", "undecodable", "something on its line 1 is not UTF-16-LE")
    assert last == Reject("a.txt:9", "a.txt", "undecodable", "something on its line 2 is not UTF-16-LE")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le", "utf-32-be"])
def test_a_last_character_that_is_cut_off_costs_its_document(tmp_path, encoding):
    *good, bad = read_text(tmp_path, (SIMPLIFIED + "\n花").encode(encoding)[:-1])
    assert [d.text for d in good] == SIMPLIFIED.rstrip().split("\n\n")
    assert (bad.id, bad.reason) == ("a.txt:7", "undecodable")


def test_text_that_was_decoded_wrongly_before_is_kept_as_it_is(tmp_path):
    mojibake = SIMPLIFIED.encode().decode("latin-1")
    assert "\n\n".join(d.text for d in read_text(tmp_path, mojibake.encode())) == mojibake.rstrip()


def test_a_file_of_lines_in_two_encodings_keeps_those_of_the_one_it_is_in(tmp_path):
    lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in SIMPLIFIED.split("\n\n")]
    (tmp_path / "a.jsonl").write_bytes(lines[0].encode() + lines[1].encode("gbk") + lines[2].encode())
    found = read(tmp_path / "a.jsonl")
    assert [getattr(d, "reason", "kept") for d in found] == ["kept", "undecodable", "kept"]


@pytest.mark.parametrize(
    ("raw", "texts"),
    [
        (b"", []),
        (b"\n" * 1000, []),
        (b"\r\n" * 1000, []),
        (b"\xef\xbb\xbf", []),
        (b"a", ["a"]),
        ("春".encode(), ["春"]),
        (b"a\n\nb", ["a", "b"]),
        (b"a\r\n\r\nb\r\n", ["a", "b"]),
        (b"a\r\rb\r", ["a\r\rb\r"]),  # Only "\n" ends a line, so this is one.
        (b"\n" * 100_000 + b"a" + b"\n" * 100_000, ["a"]),
    ],
)
def test_files_of_odd_sizes_and_line_ends(tmp_path, raw, texts):
    assert [d.text for d in read_text(tmp_path, raw)] == texts


def test_a_hundred_thousand_empty_documents_are_a_hundred_thousand_rejects(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": ""}\n' * 100_000)
    found = read(tmp_path / "a.jsonl")
    assert (len(found), {d.reason for d in found}, found[-1].id) == (100_000, {"empty"}, "a.jsonl:100000")


def test_a_hole_of_a_file_is_refused_at_once(tmp_path):
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(DataError, match="over a quarter of it are NUL bytes"):
        read(tmp_path / "a.txt")


def test_a_line_of_a_hundred_megabytes_is_a_document(tmp_path):
    n_characters = 33_000_000
    with (tmp_path / "a.txt").open("wb") as file:
        for _ in range(33):
            file.write("春".encode() * 1_000_000)
    [found] = read(tmp_path / "a.txt")
    assert (len(found.text), found.text[0], found.text[-1]) == (n_characters, "春", "春")


def test_recoding_holds_no_more_of_a_file_than_a_document(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(TRADITIONAL * 6_000, "utf-16")
    tracemalloc.start()
    try:
        n = sum(1 for split in plan_splits(find_inputs([str(path)])) for _ in read_split(split, ReadSettings()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (n, path.stat().st_size > 3 << 20, peak < 1 << 20) == (12_001, True, True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    raw=st.one_of(st.binary(max_size=200), st.text(max_size=60).map(lambda text: json.dumps({"text": text}).encode())),
    name=st.sampled_from(["a.txt", "a.jsonl", "a.txt.gz"]),
    encoding=st.sampled_from(sorted(set(ENCODINGS.values()))),
    bad_bytes=st.sampled_from(["reject", "replace"]),
)
def test_any_bytes_give_documents_and_rejects_or_an_error_that_names_the_file(tmp_path, raw, name, encoding, bad_bytes):
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    found, said = [], name
    try:
        found = read(tmp_path / name, encoding=encoding, bad_bytes=bad_bytes)
    except DataError as error:
        said = str(error)
    assert name in said
    for each in found:
        assert isinstance(each, Document | Reject)
        (each.text if isinstance(each, Document) else each.detail).encode()
