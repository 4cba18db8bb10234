"""Inputs: what a name on the command line stands for."""

from __future__ import annotations

import gzip
import json
import lzma
import os

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chinese_texts import SIMPLIFIED, TRADITIONAL

from corpus_tools.errors import DataError, MissingInputError, SettingsError
from corpus_tools.text import ReadSettings, find_inputs, plan_splits, read_split
from corpus_tools.text.inputs import encodings_of

ROWS = {"text": ["春天来了。", "花开了。"], "id": ["a", "b"], "page": [1, 2]}


def documents(inputs):
    splits = plan_splits(find_inputs(inputs))
    return [(made.id, made.text) for split in splits for made in read_split(split, ReadSettings())]


def test_a_file_is_named_by_its_name_alone(tmp_path):
    (tmp_path / "a.txt").write_text("春天", "utf-8")
    [file] = find_inputs([str(tmp_path / "a.txt")])
    assert (file.name, file.format, file.packed) == ("a.txt", "txt", False)


def test_a_folder_gives_its_files_in_order_with_their_paths_in_it(tmp_path):
    folder = tmp_path / "语料 one"
    for name in ("b/2.jsonl.xz", "b/1.txt", "a.JSON.gz", "c.parquet", ".hidden.txt", ".git/x.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    (folder / "a.JSON.gz").write_bytes(gzip.compress(b"{}"))
    (folder / "b/2.jsonl.xz").write_bytes(lzma.compress(b""))
    found = [(file.name, file.format, file.packed) for file in find_inputs([str(folder)])]
    assert found == [
        ("语料 one/a.JSON.gz", "jsonl", True),
        ("语料 one/b/1.txt", "txt", False),
        ("语料 one/b/2.jsonl.xz", "jsonl", True),
        ("语料 one/c.parquet", "parquet", False),
    ]


def test_files_of_unknown_kinds_in_a_folder_are_counted_in_a_warning(tmp_path, caplog):
    for name in ("a.txt", "b.csv", "c.csv", "d.parquet.gz"):
        (tmp_path / name).write_bytes(b"")
    assert [file.name for file in find_inputs([str(tmp_path)])] == [f"{tmp_path.name}/a.txt"]
    assert "3 files of unknown kinds are not read (2 .csv, 1 .gz)" in caplog.text


@pytest.mark.parametrize("name", ["manifest.json", "build.json"])
def test_a_shard_folder_in_a_folder_is_left_out_with_a_warning(tmp_path, name, caplog):
    for path in ("a.txt", f"old/{name}", "old/rejects.jsonl", "old/tokenizer/vocab.txt", "model/vocab.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"{}\n")
    found = [file.name for file in find_inputs([str(tmp_path)])]
    assert found == [f"{tmp_path.name}/a.txt", f"{tmp_path.name}/model/vocab.txt"]
    assert f"{tmp_path / 'old'}: is a shard folder and is not read" in caplog.text
    with pytest.raises(DataError, match="holds no file of a known kind"):
        find_inputs([str(tmp_path / "old")])


def test_a_missing_input_is_named(tmp_path):
    with pytest.raises(MissingInputError, match="nothing_here"):
        find_inputs([str(tmp_path / "nothing_here")])


def test_a_named_file_of_an_unknown_kind_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.csv: not a file of a known kind"):
        find_inputs([str(tmp_path / "a.csv")])


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(DataError, match="not a file"):
        find_inputs([str(tmp_path / "a.txt")])


def test_a_folder_without_a_usable_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no file of a known kind"):
        find_inputs([str(tmp_path)])


def test_two_inputs_that_give_the_same_ids_are_refused(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_bytes(b"")
    with pytest.raises(SettingsError, match="the same ids"):
        find_inputs([str(tmp_path / "x" / "a.txt"), str(tmp_path / "y" / "a.txt")])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_json_array_is_refused_with_the_way_to_convert_it(tmp_path, encoding):
    (tmp_path / "a.json").write_text('\n[{"text": "春天"}]', encoding)
    with pytest.raises(DataError, match="jq -c"):
        find_inputs([str(tmp_path / "a.json")])


def test_the_encodings_of_all_files_are_decided_counted_and_told(tmp_path, caplog):
    for name, text, encoding in [
        ("a.txt", SIMPLIFIED, "utf-8"),
        ("b.txt", SIMPLIFIED, "gbk"),
        ("c.txt", TRADITIONAL, "gbk"),
        ("d.txt", TRADITIONAL, "big5"),
        ("e.txt", TRADITIONAL, "utf-16"),
    ]:
        (tmp_path / name).write_text(text, encoding)
    files = find_inputs([str(tmp_path)])
    assert [file.decided.encoding for file in files] == ["utf-8", "gb18030", "gb18030", "big5hkscs", "utf-16-le"]
    n_bytes = [file.n_bytes for file in files]
    assert encodings_of(files) == {
        "utf-8": {"files": 1, "bytes": n_bytes[0]},
        "gb18030": {"files": 2, "bytes": n_bytes[1] + n_bytes[2]},
        "big5hkscs": {"files": 1, "bytes": n_bytes[3]},
        "utf-16-le": {"files": 1, "bytes": n_bytes[4]},
    }
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert said[0].startswith(f"read as gb18030: 2 files, the first is {tmp_path.name}/b.txt (")
    assert (
        said[2]
        == f"read as utf-16-le: 1 files, the first is {tmp_path.name}/e.txt (it begins with its byte order mark)"
    )


def test_an_encoding_that_is_named_is_not_asked_after(tmp_path, caplog):
    (tmp_path / "a.txt").write_bytes("花".encode("gb18030"))
    [file] = find_inputs([str(tmp_path / "a.txt")], ReadSettings(encoding="GBK"))
    assert (file.decided.encoding, file.decided.why) == ("gb18030", "--encoding names it")
    assert not caplog.records
    with pytest.raises(DataError, match=r"a\.txt: byte 1 is not UTF-8"):
        find_inputs([str(tmp_path / "a.txt")])


def test_a_file_name_that_is_not_utf8_still_gives_a_storable_id(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"\xb4\xba.txt")
    with open(path, "wb") as file:
        file.write("春天".encode())
    assert documents([str(tmp_path)]) == [(f"{tmp_path.name}/\\xb4\\xba.txt:1", "春天")]
    assert documents([os.fsdecode(path)]) == [("\\xb4\\xba.txt:1", "春天")]
    table = path.replace(b".txt", b".parquet")
    with open(table, "wb") as file:
        pq.write_table(pa.table({"text": ["春天"]}), file)
    assert documents([os.fsdecode(table)]) == [("\\xb4\\xba.parquet:1", "春天")]


def test_a_saved_data_set_is_read(tmp_path):
    datasets.Dataset.from_dict(ROWS).save_to_disk(tmp_path / "saved")
    assert documents([str(tmp_path / "saved")]) == [("a", "春天来了。"), ("b", "花开了。")]


def test_a_saved_data_set_with_splits_gives_an_input_for_each(tmp_path):
    both = datasets.DatasetDict(train=datasets.Dataset.from_dict(ROWS), test=datasets.Dataset.from_dict(ROWS))
    both.save_to_disk(tmp_path / "saved")
    assert [file.name for file in find_inputs([str(tmp_path / "saved")])] == ["saved/train", "saved/test"]
    assert [file.name for file in find_inputs([f"hf:{tmp_path}/saved:test"])] == ["saved/test"]
    with pytest.raises(DataError, match="no split 'dev'"):
        find_inputs([f"hf:{tmp_path}/saved:dev"])


def test_datasets_loads_a_folder_by_its_path(tmp_path):
    (tmp_path / "set").mkdir()
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in ROWS["text"]]
    (tmp_path / "set" / "train.jsonl").write_text("\n".join(lines), "utf-8")
    address = f"hf:{tmp_path}/set"
    assert documents([address]) == [(f"{address}:1", "春天来了。"), (f"{address}:2", "花开了。")]


def test_a_data_set_that_is_not_there_is_missing_input(tmp_path):
    with pytest.raises(MissingInputError, match="gone"):
        documents([f"hf:{tmp_path}/gone"])


def test_a_data_set_without_the_text_column_is_refused_with_its_columns(tmp_path):
    datasets.Dataset.from_dict({"body": ["春天"]}).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=r"no column 'text'. It has: body"):
        documents([str(tmp_path / "saved")])


@pytest.mark.parametrize(
    "wrong",
    [
        {"document_ends": "page"},
        {"text_field": ""},
        {"max_document_chars": 0},
        {"encoding": "latin-1"},
        {"bad_bytes": "ignore"},
        {"max_members": 0},
        {"max_unpacked": 0},
    ],
)
def test_wrong_read_settings_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        ReadSettings(**wrong)
