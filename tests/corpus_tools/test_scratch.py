"""Arrays on disk while a command runs, and the list at its end."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from corpus_tools import scratch as module
from corpus_tools.errors import DiskError, OutputError
from corpus_tools.scratch import scratch_beside, write_list


@pytest.fixture
def scratch(tmp_path):
    with scratch_beside(tmp_path / "list.tsv") as made:
        yield made


@pytest.mark.parametrize("block_bytes", [1, 50, 1 << 20])
def test_columns_are_joined_in_the_order_of_the_shares(scratch, block_bytes, monkeypatch):
    monkeypatch.setattr(module, "BLOCK_BYTES", block_bytes)
    whole = np.arange(2 * 300).reshape(2, 300)
    for share in (1, 0, 2):
        with scratch.columns(share, "wide", "empty") as (wide, _):
            for first in range(100 * share, 100 * share + 100, 7):
                wide.append(whole[:, first : min(first + 7, 100 * share + 100)])
    np.testing.assert_array_equal(np.concatenate(scratch.blocks("wide"), axis=-1), whole)
    np.testing.assert_array_equal(np.concatenate(scratch.blocks("wide", 1), axis=-1), whole[:, 100:200])
    assert scratch.blocks("empty") == []


@pytest.mark.parametrize("lengths", [[], [0], [3, 0, 2], [0, 0]])
def test_rows_of_different_lengths_come_back(scratch, lengths):
    rows = [np.arange(n, dtype=np.uint16) for n in lengths]
    with scratch.columns(0, "rows", "row_lengths") as (values, sizes):
        for row in rows:
            values.append(row)
            sizes.append(np.array([len(row)]))
    found = scratch.rows("rows", "row_lengths")
    assert len(found.bounds) == len(rows) + 1
    for number, row in enumerate(rows):
        np.testing.assert_array_equal(found.values[found.bounds[number] : found.bounds[number + 1]], row)


def test_the_folder_is_gone_afterwards_whatever_happens(tmp_path):
    def fails():
        with scratch_beside(tmp_path / "list.tsv") as scratch:
            scratch.save("a", 0, np.zeros(3))
            assert scratch.folder.parent == tmp_path
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_exists_is_left_alone(tmp_path):
    (tmp_path / "list.tsv").touch()
    with pytest.raises(OutputError, match="exists already"), scratch_beside(tmp_path / "list.tsv"):
        pytest.fail("begun")


def test_a_list_is_written_whole_or_not_at_all(tmp_path):
    def lines():
        yield "一"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskError, match=r"list\.tsv: cannot be written: No space left") as caught:
        write_list(tmp_path / "list.tsv", lines())
    assert caught.value.exit_code == 74
    assert list(tmp_path.iterdir()) == []
    write_list(tmp_path / "list.tsv", ["一\t1", "二"])
    assert (tmp_path / "list.tsv").read_text("utf-8") == "一\t1\n二\n"


def test_a_full_disk_is_told_while_columns_grow(scratch, monkeypatch):
    def full(*args, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DiskError, match="No space left"), scratch.columns(0, "a") as (column,):
        column.append(np.zeros(3))
