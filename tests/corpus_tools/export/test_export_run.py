"""An export is there whole or not at all, and its command ends with the right code."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from corpus_tools.cli import main
from corpus_tools.errors import DiskError, StoppedError
from corpus_tools.export import FORMS, build_form
from corpus_tools.export.run import export


@pytest.fixture
def folder(reader):
    return str(reader.folder)


@pytest.mark.parametrize("form", FORMS)
def test_a_dry_run_says_how_much_and_writes_nothing(folder, tmp_path, form, capsys):
    line = ["export", folder, "--to", form, "--out", str(tmp_path / "new" / "out"), "--json"]
    before = sorted(tmp_path.iterdir())
    assert main([*line, "--dry-run"]) == 0
    guessed = json.loads(capsys.readouterr().out)
    assert sorted(tmp_path.iterdir()) == before
    assert main(line) == 0
    found = json.loads(capsys.readouterr().out)
    assert found | {"bytes": 0} == guessed | {"bytes": 0}
    assert (found["to"], found["documents"], found["rows"]) == (form, 8, 80 if form == "static" else 8)
    assert (tmp_path / "new" / "out").exists()


def test_people_are_told_in_a_line(folder, tmp_path, capsys):
    line = ["export", folder, "--to", "static", "--row-tokens", "20", "--dupe-factor", "2", "--out"]
    assert main([*line, str(tmp_path / "out"), "--dry-run"]) == 0
    assert "would write" in capsys.readouterr().out
    assert main([*line, str(tmp_path / "out")]) == 0
    assert "rows of 8 documents to" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--to", "jsonl", "--seed", "3"], 64, "jsonl has no such setting"),
        (["--to", "static", "--masking", "wmm"], 64, "Did you mean 'wwm'"),
        (["--to", "static", "--row-tokens", "2"], 64, "leaves no room"),
        (["--to", "datasets", "--out", "."], 73, "exists already"),
        (["--to", "jsonl", "--out", "/proc/none/out"], 74, "cannot be written"),
    ],
)
def test_what_cannot_be_ends_with_its_code(folder, tmp_path, words, code, said, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = [] if "--out" in words else ["--out", "out"]
    assert main(["export", folder, *words, *out]) == code
    assert said in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_folder_that_is_no_shards_ends_with_66(tmp_path, capsys):
    assert main(["export", str(tmp_path / "none"), "--to", "jsonl", "--out", str(tmp_path / "out")]) == 66
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize("form", FORMS)
def test_a_signal_leaves_nothing(reader, tmp_path, form):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StoppedError, match="begins anew"):
        export(reader, build_form({"name": form}), tmp_path / "out", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("form", FORMS)
def test_a_disk_that_refuses_leaves_nothing(reader, tmp_path, form):
    def full(_):
        raise OSError(28, "No space left on device")

    before = sorted(tmp_path.iterdir())
    with pytest.raises(DiskError, match="out: cannot be written: No space left on device"):
        export(reader, build_form({"name": form}), tmp_path / "out", full)
    assert sorted(tmp_path.iterdir()) == before
