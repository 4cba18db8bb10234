"""jieba's dictionary and the user's own: read as jieba reads them, and refused where jieba would lose a line."""

from __future__ import annotations

import lzma

import pytest

from corpus_tools.errors import DataError, SettingsError
from corpus_tools.jieba_dictionary import (
    Entry,
    checked_paths,
    dictionaries_hash,
    dictionary_tags,
    jieba_dictionary_path,
    user_entries,
)


def write(path, text):
    path.write_text(text, "utf-8")
    return str(path)


def test_frequency_and_tag_may_each_be_missing(tmp_path):
    path = write(tmp_path / "user.txt", "\ufeff云计算 5 n\r\n\n创新办 i\n石墨烯 3\n凱特琳\nEdu Trust认证 2000\n")
    assert list(user_entries(path)) == [
        Entry("云计算", 5, "n"),
        Entry("创新办", None, "i"),
        Entry("石墨烯", 3, None),
        Entry("凱特琳", None, None),
        Entry("Edu Trust认证", 2000, None),
    ]


@pytest.mark.parametrize(
    "line", ["云计算\t5\tn", "云计算 -5 n", "云计算 5.0", "云计算 5 NZ1", "云计算 5 n 6", "云计算 " + "9" * 19]
)
def test_a_line_that_jieba_would_lose_is_named(tmp_path, line):
    path = write(tmp_path / "user.txt", f"石墨烯 3\n{line}\n")
    with pytest.raises(DataError, match=r"user\.txt:2: "):
        list(user_entries(path))


def test_tags_are_jiebas_and_the_users_hold(tmp_path):
    path = write(tmp_path / "user.txt", "北京 5 zz\n上海 5\n石墨烯飞船 nz\n")
    plain, with_user = dictionary_tags(), dictionary_tags([path])
    assert (plain["北京"], plain["上海"], plain["AT&T"]) == ("ns", "ns", "nz")
    assert (with_user["北京"], with_user["上海"], with_user["石墨烯飞船"]) == ("zz", "ns", "nz")
    lines = jieba_dictionary_path().read_text("utf-8").splitlines()
    assert plain.keys() == {line.split(" ")[0] for line in lines}


def test_the_hash_follows_the_entries_and_not_the_packing(tmp_path):
    plain = write(tmp_path / "user.txt", "北京 5 zz\n")
    packed = tmp_path / "user.txt.xz"
    packed.write_bytes(lzma.compress("\ufeff北京 5 zz\r\n".encode()))
    other = write(tmp_path / "other.txt", "北京 6 zz\n")
    assert dictionaries_hash([plain]) == dictionaries_hash([packed])
    assert len({dictionaries_hash(paths) for paths in ([], [plain], [other], [plain, other], [other, plain])}) == 5


def test_one_path_in_place_of_a_list_is_refused():
    with pytest.raises(SettingsError, match="expected a list of files"):
        checked_paths("user.txt")
