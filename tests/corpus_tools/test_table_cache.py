"""Kept tables: made once, never believed from a folder of others, never the reason of a failure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from corpus_tools.table_cache import cached


@dataclass(frozen=True, slots=True)
class Numbers:
    numbers: np.ndarray
    others: np.ndarray


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cn-bert"


class Maker:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return Numbers(np.arange(5), np.zeros((2, 0), np.uint8))


def test_tables_are_made_once_and_read_only(home):
    make = Maker()
    for _ in range(3):
        tables = cached(Numbers, "a", make)
        assert (tables.numbers.tolist(), tables.others.shape) == ([0, 1, 2, 3, 4], (2, 0))
        assert not tables.numbers.flags.writeable
    assert make.calls == 1
    cached(Numbers, "b", make)
    assert make.calls == 2
    assert home.stat().st_mode & 0o077 == 0


def test_a_damaged_table_is_made_again(home):
    make = Maker()
    cached(Numbers, "a", make)
    [path] = home.glob("*/numbers.npy")
    path.write_bytes(path.read_bytes()[:70])
    cached(Numbers, "a", make)
    path.unlink()
    cached(Numbers, "a", make)
    assert (make.calls, cached(Numbers, "a", make).numbers.tolist()) == (3, [0, 1, 2, 3, 4])


def test_a_pickle_in_its_place_is_not_opened(home):
    make = Maker()
    cached(Numbers, "a", make)
    [path] = home.glob("*/numbers.npy")
    np.save(path, np.array([{"not": "numbers"}], object), allow_pickle=True)
    assert cached(Numbers, "a", make).numbers.tolist() == [0, 1, 2, 3, 4]
    assert make.calls == 2


def test_a_folder_that_others_may_write_is_neither_read_nor_written(home, caplog):
    make = Maker()
    cached(Numbers, "a", make)
    home.chmod(0o777)
    cached(Numbers, "a", make)
    assert make.calls == 2
    assert "others may write there" in caplog.text


def test_a_link_to_a_folder_of_somebody_elses_is_not_followed(home, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    home.symlink_to(tmp_path / "elsewhere")
    cached(Numbers, "a", Maker())
    assert not list((tmp_path / "elsewhere").iterdir())


def test_where_nothing_can_be_kept_tables_are_made_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cached(Numbers, "a", Maker()).numbers.tolist() == [0, 1, 2, 3, 4]
