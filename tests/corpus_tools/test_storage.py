"""Files appear whole or not at all, and a folder has one writer, however the last one ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from corpus_tools.errors import DiskError, OutputError
from corpus_tools.storage import LOCK_NAME, locked, write_json, write_text

HOLDER = "import sys, time; from pathlib import Path; from corpus_tools.storage import locked\n"
HOLDER += "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


def hold(folder: Path) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    return process


def test_the_second_writer_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    process = hold(tmp_path)
    try:
        with pytest.raises(OutputError, match=f"process {process.pid} on .* is writing here"), locked(tmp_path):
            pass
    finally:
        process.kill()
        process.wait()


def test_a_writer_that_was_killed_leaves_the_folder_free(tmp_path: Path) -> None:
    process = hold(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / LOCK_NAME).exists()
    with locked(tmp_path):
        assert f"process {os.getpid()}" in (tmp_path / LOCK_NAME).read_text()
    assert not (tmp_path / LOCK_NAME).exists()


def test_a_folder_that_cannot_be_made_is_the_disks_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="cannot be written"), locked(tmp_path / "file" / "run"):
        pass


def test_a_lock_is_given_back_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path):
        pass


def test_what_was_there_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match="No space left"):
        write_text(path, "new")
    assert path.read_text() == '{\n "old": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]
