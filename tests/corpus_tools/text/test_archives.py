"""Archives: their files are read as if they lay in a folder, and nothing in them can do harm."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import tarfile
import zipfile

import pyarrow as pa
import pytest
from chinese_texts import SIMPLIFIED, TRADITIONAL

from corpus_tools import unpack
from corpus_tools.errors import DataError, RefusedError
from corpus_tools.schema import Document
from corpus_tools.text import ReadSettings, archives, find_inputs, plan_splits, read_split
from corpus_tools.text.archives import ARCHIVES, is_archive

PACK = {
    "": bytes,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zst": lambda raw: pa.compress(raw, codec="zstd", asbytes=True),
}
OF_TAR = {".tar": "", ".tar.gz": "gz", ".tgz": "gz", ".tar.xz": "xz", ".txz": "xz", ".tar.zst": "zst", ".tzst": "zst"}

FILES = {
    "plain.txt": "春\n\n花\n".encode(),
    "更深/lines.jsonl": '{"text": "秋"}\n{"id": "x", "text": "冬"}\n'.encode(),
    "packed.txt.gz": gzip.compress("夏\n".encode()),
    "packed.jsonl.zst": PACK["zst"]('{"text": "雪"}'.encode()),
    "big5.txt": TRADITIONAL.encode("big5"),
    "wide.txt": SIMPLIFIED.encode("utf-16-le"),
    ".hidden.txt": "不见".encode(),
    "__MACOSX/._plain.txt": b"\0\5\x16\7",
    "table.csv": b"a,b\n",
    "table.parquet": b"PAR1",
    "again.zip": b"PK",
    "empty.txt": b"",
}


def zip_of(files, **settings):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, **settings) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return made.getvalue()


def tar_of(files, **settings):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", **settings) as archive:
        for name, raw in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return made.getvalue()


def tar_with(name, kind, target=""):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        archive.addfile(info)
    return made.getvalue()


def archive_of(suffix, files):
    return zip_of(files) if suffix == ".zip" else PACK[OF_TAR[suffix]](tar_of(files))


def read(path, **settings):
    made = ReadSettings(**settings)
    splits = plan_splits(find_inputs([str(path)], made), 1, made)
    assert len(splits) == 1
    return [document for split in splits for document in read_split(split, made)]


def read_raw(tmp_path, name, raw, **settings):
    (tmp_path / name).write_bytes(raw)
    return read(tmp_path / name, **settings)


@pytest.mark.parametrize("suffix", ARCHIVES)
def test_an_archive_gives_the_documents_of_its_files_in_its_order(tmp_path, suffix, caplog):
    name = f"a{suffix}"
    found = read_raw(tmp_path, name, archive_of(suffix, FILES))
    assert [(document.id, document.text) for document in found] == [
        (f"{name}!/plain.txt:1", "春"),
        (f"{name}!/plain.txt:3", "花"),
        (f"{name}!/更深/lines.jsonl:1", "秋"),
        ("x", "冬"),
        (f"{name}!/packed.txt.gz:1", "夏"),
        (f"{name}!/packed.jsonl.zst:1", "雪"),
        *((f"{name}!/big5.txt:{2 * n + 1}", text) for n, text in enumerate(TRADITIONAL.rstrip().split("\n\n"))),
        *((f"{name}!/wide.txt:{2 * n + 1}", text) for n, text in enumerate(SIMPLIFIED.rstrip().split("\n\n"))),
    ]
    assert found[0] == Document(f"{name}!/plain.txt:1", f"{name}!/plain.txt", "春")
    assert "3 files of unknown kinds are not read (1 .csv, 1 .parquet, 1 .zip)" in caplog.text
    assert f"read as big5hkscs: 1 files, the first is {name}!/big5.txt (" in caplog.text
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("suffix", ARCHIVES)
def test_an_archive_is_known_by_its_name_in_a_folder_too(tmp_path, suffix):
    (tmp_path / f"A{suffix.upper()}").write_bytes(archive_of(suffix, FILES))
    [file] = find_inputs([str(tmp_path)])
    assert (file.format, len(file.members)) == ("archive", 7)
    assert is_archive(file.path)


def test_an_archive_without_a_file_of_text_has_no_documents(tmp_path, caplog):
    assert read_raw(tmp_path, "a.zip", zip_of({"a.csv": b"1", "b/": b""})) == []
    assert "1 files of unknown kinds are not read (1 .csv)" in caplog.text
    assert read_raw(tmp_path, "b.zip", zip_of({})) == []
    assert read_raw(tmp_path, "b.tar", tar_of({})) == []


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_names_that_begin_with_a_dot_and_a_slash_are_not_hidden(tmp_path, make):
    suffix = "zip" if make is zip_of else "tar"
    raw = make({"./a.txt": "春".encode(), "./b/.c.txt": "花".encode()})
    assert [document.id for document in read_raw(tmp_path, f"a.{suffix}", raw)] == [f"a.{suffix}!/a.txt:1"]


def test_chinese_names_as_windows_packs_them_are_read_as_they_were(tmp_path):
    raw = zip_of({"xxxx.txt": "春".encode()}).replace(b"xxxx.txt", "语料".encode("gbk") + b".txt")
    assert [document.id for document in read_raw(tmp_path, "a.zip", raw)] == ["a.zip!/语料.txt:1"]
    raw = tar_of({"xxxx.txt": "春".encode()}, format=tarfile.GNU_FORMAT)
    bad = raw.replace(b"xxxx.txt", "语料".encode("gbk") + b".txt")
    difference = sum("语料".encode("gbk")) - sum(b"xxxx")
    bad = bad[:148] + b"%06o\0 " % (int(raw[148:154], 8) + difference) + bad[156:]
    assert [document.id for document in read_raw(tmp_path, "a.tar", bad)] == ["a.tar!/\\xd3\\xef\\xc1\\xcf.txt:1"]


@pytest.mark.parametrize(
    "name", ["../x.txt", "a/../../x.txt", "/abs.txt", "\\abs.txt", "..\\x.txt", "C:\\x.txt", "a/.."]
)
@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_a_name_that_leads_out_is_refused(tmp_path, make, name):
    suffix = "zip" if make is zip_of else "tar"
    with pytest.raises(RefusedError, match=r"is a name that leads out of the folder"):
        read_raw(tmp_path, f"a.{suffix}", make({"a.txt": "春".encode(), name: b"x"}))
    assert not (tmp_path.parent / "x.txt").exists()


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc/passwd"),
        (tarfile.LNKTYPE, "a.txt"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
        (b"Z", ""),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind, target):
    with pytest.raises(RefusedError, match=r"'in\.txt' is a link, a device or a pipe"):
        read_raw(tmp_path, "a.tar", tar_with("in.txt", kind, target))


def test_a_file_with_holes_is_refused(tmp_path):
    with pytest.raises(RefusedError, match="a file with holes"):
        read_raw(tmp_path, "a.tar", tar_with("in.txt", tarfile.GNUTYPE_SPARSE))


def test_a_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("in.txt")
    info.external_attr = 0o120777 << 16
    with pytest.raises(RefusedError, match=r"'in\.txt' is a link or a device"):
        read_raw(tmp_path, "a.zip", zip_of({info: b"/etc/passwd"}))


def test_an_encrypted_member_is_refused(tmp_path):
    raw = bytearray(zip_of({"a.txt": "春".encode()}))
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(RefusedError, match=r"'a\.txt' is encrypted"):
        read_raw(tmp_path, "a.zip", bytes(raw))


def test_a_member_packed_in_an_unknown_way_is_an_error_that_names_it(tmp_path):
    raw = zip_of({"a.txt": "春".encode()}).replace(b"\x14\0\0\0\x08\0", b"\x14\0\0\0\x63\0")
    with pytest.raises(DataError, match=r"a\.zip!/a\.txt: cannot be unpacked: .*Pack it anew"):
        read_raw(tmp_path, "a.zip", raw)


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_too_many_members_are_refused_and_more_can_be_allowed(tmp_path, suffix):
    raw = archive_of(suffix, {f"{number}/": b"" for number in range(9)} | {"a.txt": "春".encode()})
    assert len(read_raw(tmp_path, f"a{suffix}", raw, max_members=10)) == 1
    with pytest.raises(RefusedError, match=r"over 9 members.*--max-members"):
        read(tmp_path / f"a{suffix}", max_members=9)


@pytest.mark.parametrize("suffix", [".zip", ".tgz"])
def test_ten_thousand_members_are_enough_for_anyone_who_does_not_ask(tmp_path, suffix):
    # A million would be refused at the same one, a zip by its end record before any is looked at.
    raw = archive_of(suffix, {f"{number}/": b"" for number in range(10_001)})
    with pytest.raises(RefusedError, match=r"over 10,000 members.*--max-members"):
        read_raw(tmp_path, f"a{suffix}", raw)


def test_a_zip_that_hides_how_many_members_it_has_is_refused_all_the_same(tmp_path):
    raw = zip_of({f"{number}.txt": b"" for number in range(12)})
    at = raw.rindex(b"PK\x05\x06")
    with pytest.raises(RefusedError, match="over 10 members"):
        read_raw(tmp_path, "a.zip", raw[: at + 8] + b"\1\0\1\0" + raw[at + 12 :], max_members=10)


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tzst"])
def test_a_bomb_is_refused_before_anything_is_built(tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(unpack, "SMALL", 1 << 20)
    (tmp_path / f"a{suffix}").write_bytes(archive_of(suffix, {"a.txt": b"a" * (24 << 20)}))
    with pytest.raises(RefusedError, match="more than 200 times as much"):
        find_inputs([str(tmp_path / f"a{suffix}")])


def test_a_bomb_within_an_archive_is_refused_when_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "SMALL", 1 << 20)
    with pytest.raises(RefusedError, match=r"a\.tar: .* more than 200 times as much"):
        read_raw(tmp_path, "a.tar", tar_of({"a.txt.gz": gzip.compress(b"a" * (24 << 20))}))


def test_archives_within_archives_are_not_opened_however_much_is_in_them(tmp_path, caplog):
    raw = zip_of({"a.txt": bytes(1 << 20)})
    for _ in range(5):
        raw = zip_of({f"{number}.zip": raw for number in range(16)})
    assert read_raw(tmp_path, "42.zip", raw) == []
    assert "16 files of unknown kinds are not read (16 .zip)" in caplog.text


@pytest.mark.parametrize("suffix", [".zip", ".tgz"])
def test_what_all_members_unpack_to_is_limited(tmp_path, suffix):
    raw = archive_of(suffix, {f"{number}.txt": SIMPLIFIED.encode() * 50 for number in range(4)})
    assert len(read_raw(tmp_path, f"a{suffix}", raw)) == 404
    with pytest.raises(RefusedError, match="--max-unpacked"):
        read(tmp_path / f"a{suffix}", max_unpacked=2 * len(SIMPLIFIED.encode() * 50))


def test_a_header_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "HEADER_BYTES", 1 << 20)
    with pytest.raises(RefusedError, match="bytes of headers before one member"):
        read_raw(tmp_path, "a.tar.gz", gzip.compress(tar_of({"a" * (4 << 20): b""}, format=tarfile.PAX_FORMAT)))


@pytest.mark.parametrize("name", ["a.zip", "a.tar"])
def test_a_name_that_stands_twice_is_an_error(tmp_path, name):
    make = zip_of if name == "a.zip" else tar_of
    raw = make({"a.txt": "春".encode(), "b.txt": "花".encode()})
    raw = raw.replace(b"b.txt", b"a.txt")
    if name == "a.tar":
        at = 1024
        raw = raw[: at + 148] + raw[148:156] + raw[at + 156 :]
    with pytest.raises(DataError, match=r"holds 'a\.txt' twice"):
        read_raw(tmp_path, name, raw)


@pytest.mark.parametrize("suffix", ARCHIVES)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_off_archive_is_an_error_that_names_it(tmp_path, suffix, share):
    raw = archive_of(suffix, {f"{number}.txt": os.urandom(3000).hex().encode() for number in range(20)})
    with pytest.raises(DataError, match="damaged or cut short"):
        read_raw(tmp_path, f"a{suffix}", raw[: int(share * len(raw))])


def test_a_damaged_header_is_not_taken_for_the_end_of_a_tar(tmp_path):
    raw = bytearray(tar_of({"a.txt": "春".encode(), "b.txt": "花".encode()}))
    raw[1024 + 100] ^= 0xFF
    with pytest.raises(DataError, match="damaged or cut short"):
        read_raw(tmp_path, "a.tar", bytes(raw))


def test_a_damaged_member_of_a_zip_is_noticed(tmp_path):
    raw = bytearray(zip_of({"a.txt": os.urandom(3000).hex().encode()}))
    raw[1000] ^= 0xFF
    with pytest.raises(DataError, match="damaged or cut short"):
        read_raw(tmp_path, "a.zip", bytes(raw))


def test_a_member_that_is_not_what_its_name_says_is_named(tmp_path):
    with pytest.raises(DataError, match=r"a\.zip!/a\.txt: is gzip by its first bytes"):
        read_raw(tmp_path, "a.zip", zip_of({"a.txt": gzip.compress(b"a")}))


@pytest.mark.parametrize("name", ["a.txt.gz", "a.tar"])
def test_a_file_packed_twice_is_named_for_what_is_in_it(tmp_path, name):
    twice = gzip.compress(gzip.compress("春".encode()))
    raw = twice if name == "a.txt.gz" else tar_of({"a.txt.gz": twice})
    with pytest.raises(DataError, match=r"a\.txt\.gz: is gzip by its first bytes"):
        read_raw(tmp_path, name, raw)


def test_a_member_in_no_known_encoding_is_named(tmp_path):
    with pytest.raises(DataError, match=r"a\.zip!/a\.txt: byte 1 is not UTF-8"):
        read_raw(tmp_path, "a.zip", zip_of({"a.txt": "été".encode("latin-1")}))


def test_an_archive_that_is_none_is_refused(tmp_path):
    for name in ("a.zip", "a.tar.gz", "a.tar"):
        with pytest.raises(DataError, match=rf"{name}: (begins with|damaged)"):
            read_raw(tmp_path, name, SIMPLIFIED.encode())
