"""Lists: the longest entry that may stand at each place, and what a list may look like."""

from __future__ import annotations

import lzma

import numpy as np
import pytest

from corpus_tools.errors import DataError, MissingInputError, SettingsError
from corpus_tools.spans import Lexicon, build_finder
from corpus_tools.spans.lexicon import INSIDE_RUN
from corpus_tools.text.batch import TextBatch

RUN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789０１２３Ａａé")


def lexicon(tmp_path, *lists, mark="entity"):
    paths = []
    for number, entries in enumerate(lists):
        paths.append(tmp_path / f"list{number}.txt")
        paths[-1].write_text("\n".join(entries), "utf-8")
    return Lexicon([(None, path) for path in paths], mark)


def rows(finder, *texts):
    """(start, end, kind) of what is found, places counted through all texts; and the number of rejected matches."""
    spans = finder.find(TextBatch.of(texts), np.zeros(sum(map(len, texts)), np.uint8))
    columns = zip(spans.starts.tolist(), spans.ends.tolist(), spans.kinds.tolist(), strict=True)
    return [(start, end, finder.kinds[kind][0]) for start, end, kind in columns], spans.rejected.get(INSIDE_RUN, 0)


def found(finder, text):
    return [(text[start:end], kind) for start, end, kind in rows(finder, text)[0]]


def find_place_by_place(text, kind_of):
    """The longest entry that may stand at each place, from left to right."""
    spans, n_rejected, start = [], 0, 0
    while start < len(text):
        end = next_start = start + 1
        for end in range(len(text), start + 1, -1):
            if text[start:end] not in kind_of:
                continue
            if any(0 < at < len(text) and {text[at - 1], text[at]} <= RUN for at in (start, end)):
                n_rejected += 1
            else:
                spans.append((start, end, kind_of[text[start:end]]))
                next_start = end
                break
        start = next_start
    return spans, n_rejected


@pytest.mark.parametrize("number", range(60))
def test_the_longest_match_that_may_stand_is_found_at_each_place(tmp_path, number):
    draw = np.random.default_rng(number)
    letters = [*"北京大学生月aB15０é 𠮷"]
    entries = ["".join(draw.choice(letters, size=draw.integers(2, 5))).strip() for _ in range(40)]
    finder = lexicon(tmp_path, entries[:20], entries[20:])
    kind_of = dict.fromkeys(entries[20:], "list1") | dict.fromkeys(entries[:20], "list0")
    kind_of = {entry: kind for entry, kind in kind_of.items() if len(entry) > 1}
    text = "".join(draw.choice([*letters, "\n", *entries[::4]], size=150))

    assert rows(finder, text) == find_place_by_place(text, kind_of)


def test_the_longest_entry_wins_and_the_first_list_names_it(tmp_path):
    finder = lexicon(tmp_path, ["北京", "北京大学"], ["北京大学", "大学生"])
    assert found(finder, "在北京大学生活") == [("北京大学", "list0")]
    assert finder.kinds == (("list0", "entity"), ("list1", "entity"))


def test_entries_do_not_match_inside_latin_and_digit_runs(tmp_path):
    finder = lexicon(tmp_path, ["AI", "5月", "RAID", "月球3号"])
    assert found(finder, "AI和RAID，５AI，15月、5月，月球3号") == [
        ("AI", "list0"),
        ("RAID", "list0"),
        ("5月", "list0"),
        ("月球3号", "list0"),
    ]
    assert rows(finder, "RAIN 15月") == ([], 2)


def test_a_shorter_entry_is_found_where_the_longer_may_not_stand(tmp_path):
    finder = lexicon(tmp_path, ["北京A", "北京", "京AB", "A城"])
    assert rows(finder, "北京AB") == ([(0, 2, "list0")], 1)


def test_no_match_reaches_from_one_text_to_the_next(tmp_path):
    assert rows(lexicon(tmp_path, ["北京", "AI"]), "北", "京北京", "RA", "", "AI", "A") == (
        [(2, 4, "list0"), (6, 8, "list0")],
        0,
    )


def test_no_match_reaches_over_a_line_end(tmp_path):
    assert found(lexicon(tmp_path, ["北京", "京大"]), "北\n京大北京\n\n北京") == [
        ("京大", "list0"),
        ("北京", "list0"),
        ("北京", "list0"),
    ]


def test_lists_may_be_packed_with_columns_marks_and_ends_of_windows(tmp_path):
    path = tmp_path / "v1.places.txt.xz"
    path.write_bytes(lzma.compress("\ufeff北京 \t 12\r\n\r\n\t7\n京\n上海\tplace\tx".encode()))
    finder = Lexicon([(None, path)])
    assert finder.kinds == (("v1.places", "entity"),)
    assert found(finder, "北京上海") == [("北京", "v1.places"), ("上海", "v1.places")]


def test_a_kind_can_be_given_and_shared_and_the_mark_is_passed_on(tmp_path):
    for name, entry in (("a.txt", "北京"), ("b.txt", "上海")):
        (tmp_path / name).write_text(entry, "utf-8")
    finder = Lexicon([("place", tmp_path / "a.txt"), ("place", tmp_path / "b.txt")], "phrase")
    assert finder.kinds == (("place", "phrase"),)
    assert found(finder, "上海") == [("上海", "place")]


@pytest.mark.parametrize("text", ["", "\n \n\t3\n"])
def test_a_list_without_an_entry_is_refused(tmp_path, text):
    (tmp_path / "a.txt").write_text(text, "utf-8")
    with pytest.raises(DataError, match=r"a\.txt: holds no entry"):
        Lexicon([(None, tmp_path / "a.txt")])


def test_a_list_of_single_characters_finds_nothing(tmp_path):
    assert found(lexicon(tmp_path, ["京", "沪"]), "京沪") == []


def test_entries_too_long_or_not_utf8_are_named_with_their_line(tmp_path):
    (tmp_path / "a.txt").write_bytes("北京\n".encode() + "京".encode() * 201)
    with pytest.raises(DataError, match=r"a\.txt:2: an entry of 201 characters"):
        Lexicon([(None, tmp_path / "a.txt")])
    (tmp_path / "a.txt").write_bytes("北京".encode("gb18030"))
    with pytest.raises(DataError, match=r"a\.txt:1: not UTF-8"):
        Lexicon([(None, tmp_path / "a.txt")])


def test_wrong_settings_and_missing_lists_are_refused(tmp_path):
    with pytest.raises(MissingInputError, match="gone"):
        Lexicon([(None, tmp_path / "gone.txt")])
    with pytest.raises(SettingsError, match="neither 'entity' nor 'phrase'"):
        Lexicon([(None, tmp_path / "gone.txt")], "word")
    with pytest.raises(SettingsError, match="no list file"):
        build_finder({"name": "lexicon", "files": []})
    with pytest.raises(SettingsError, match="Did you mean 'lexicon'"):
        build_finder({"name": "lexikon"})


def test_the_fingerprint_follows_entries_kinds_and_mark(tmp_path):
    prints = {
        lexicon(tmp_path, ["北京", "上海"]).fingerprint,
        lexicon(tmp_path, ["北京", "上海"], mark="phrase").fingerprint,
        lexicon(tmp_path, ["北京"], ["上海"]).fingerprint,
        lexicon(tmp_path, ["北京"]).fingerprint,
    }
    assert len(prints) == 4
    assert lexicon(tmp_path, ["北京", "上海"]).fingerprint in prints


def test_lists_are_read_once_however_they_are_packed_and_again_where_a_byte_changed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    finder = lexicon(tmp_path, ["北京", "上海"])
    packed = tmp_path / "list0.txt.xz"
    packed.write_bytes(lzma.compress((tmp_path / "list0.txt").read_bytes()))
    with monkeypatch.context() as patched:
        patched.setattr(Lexicon, "_read", lambda self, lists: pytest.fail("read again"))
        again = Lexicon([(None, packed)])
    assert again.fingerprint == finder.fingerprint
    assert found(again, "去上海") == [("上海", "list0")]
    assert found(lexicon(tmp_path, ["北京", "天津"]), "上海天津") == [("天津", "list0")]


def test_entries_do_not_move_from_one_list_to_another_unnoticed(tmp_path):
    assert lexicon(tmp_path, ["北京", "上海"], ["天津"]).fingerprint != lexicon(
        tmp_path, ["北京"], ["上海", "天津"]
    ).fingerprint  # fmt: skip
