"""Files of a task, packed and plain, good and bad."""

import gzip
import lzma

import pytest

from cn_bert.finetune.files import find_file, read_json, read_rows, read_text
from corpus_tools.errors import DataError, MissingInputError


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".xz", lzma.compress), (".gz", gzip.compress)])
def test_a_file_is_found_and_read_however_it_is_packed(tmp_path, suffix, pack):
    (tmp_path / f"dev.tsv{suffix}").write_bytes(pack("label\ttext_a\n1\t好\n".encode("utf-8-sig")))

    rows = list(read_rows(find_file(tmp_path, "dev.tsv")))

    assert [row for _, row in rows] == [{"label": "1", "text_a": "好"}]


def test_a_missing_file_names_all_that_would_do(tmp_path):
    with pytest.raises(MissingInputError, match=r"no dev.tsv, dev.tsv.xz or dev.tsv.gz"):
        find_file(tmp_path, "dev.tsv")
    with pytest.raises(MissingInputError, match="no such folder"):
        find_file(tmp_path / "none", "dev.tsv")


def test_quotes_blank_lines_and_line_ends_change_nothing(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_bytes('label\ttext_a\r\n1\t他说"好\r\n\r\n0\t坏\u2028的'.encode())

    assert [(place.rpartition(":")[2], row["text_a"]) for place, row in read_rows(path)] == [
        ("2", '他说"好'),
        ("4", "坏\u2028的"),
    ]


def test_columns_can_be_named_where_a_file_has_no_header(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("甲\t乙\t1\n", encoding="utf-8")

    assert [row for _, row in read_rows(path, ["a", "b", "label"])] == [{"a": "甲", "b": "乙", "label": "1"}]


def test_json_lines_are_rows(tmp_path):
    path = tmp_path / "train.json"
    path.write_text('{"sentence": "好", "label": 1}\n', encoding="utf-8")

    assert [row for _, row in read_rows(path)] == [{"sentence": "好", "label": 1}]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tsv", "label\ttext_a\n1\t好\n1\n".encode(), r"a.tsv:3: 1 columns where 2 are expected \(label, text_a\)"),
        ("a.tsv", b"label\ttext_a\n1\t" + b"\xba\xc3\n", "a.tsv:2: not UTF-8"),
        ("a.tsv.xz", lzma.compress(b"label\ttext\n" * 99)[:-30], "a.tsv.xz: damaged"),
        ("a.tsv.gz", b"no gzip", "a.tsv.gz: begins with the bytes 6e 6f 20 67, so it is not gzip"),
        ("a.jsonl", b'{"label": 1}\n{"label"\n', "a.jsonl:2: not JSON"),
        ("a.jsonl", b"[1]\n", "a.jsonl:1: expected a JSON object, found list"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(DataError, match=words):
        list(read_rows(path))


def test_json_that_is_cut_off_is_named_with_its_line(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"data":\n[', encoding="utf-8")

    with pytest.raises(DataError, match=r"a.json:2: not JSON"):
        read_json(path)


def test_a_file_that_is_gone_is_missing_input(tmp_path):
    with pytest.raises(MissingInputError):
        read_text(tmp_path / "none.tsv")
