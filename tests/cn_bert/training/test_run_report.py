"""The page about a real run: written at its end, and by `cn-bert report` on the held-out text the run was scored on."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from unittest import mock

import pytest
import torch
from small_runs import SMALL

from cn_bert.cli import main
from cn_bert.training.log import read_log

ROWS = 12
CHANGES = [*SMALL, "held_out=0.1", f"evaluate.max_rows={ROWS}", "stages=[{steps: 6, row_tokens: 64, batch_rows: 4}]"]


@pytest.fixture(scope="module")
def run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps that was resumed after three."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("reported")
    shutil.copytree(shards, folder / "shards")
    sets = [word for change in CHANGES for word in ("--set", change)]
    line = ["pretrain", "bert_wwm", "--data", str(folder / "shards"), "--out", str(folder / "run"), *sets]
    with mock.patch.dict(os.environ):
        os.environ.pop("RANK", None)
        assert main([*line, "--max-steps", "3"]) == 0
        assert main(line) == 0
    return folder / "run"


def report(run: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict:
    capsys.readouterr()
    assert main(["report", str(run), "--rows", str(ROWS), "--json", *options]) == 0
    found: dict = json.loads(capsys.readouterr().out)
    return found


def test_a_run_leaves_its_page(run: Path) -> None:
    text = (run / "report.html").read_text(encoding="utf-8")
    for said in ("Step 6 of 6", "resumed after 3", "Held-out text by word length", "Masks and guesses", "✗"):
        assert said in text


def test_the_log_names_the_machine_and_has_its_share_of_the_peak(run: Path) -> None:
    log = read_log(run / "log.jsonl")
    starts = [line for line in log if "machine" in line]
    assert [line["ranks"] for line in starts] == [1, 1]
    assert all(line["peak_measured"] and line["peak_flops"] > 0 for line in starts)
    assert all(0 < line["mfu"] < 2 for line in log if "loss" in line)


def test_a_report_sees_what_the_run_was_scored_on(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scored = [line for line in read_log(run / "log.jsonl") if "held_out_loss" in line][-1]
    found = report(run, capsys)
    assert found["right"] / found["masked_tokens"] == pytest.approx(scored["held_out_accuracy"])
    assert found["loss"] == pytest.approx(scored["held_out_loss"], rel=1e-2)  # the report may compute in bf16
    assert sum(one["tokens"] for one in found["by_word_length"]) == found["masked_tokens"]
    assert (found["page"], found["step"]) == (str(run / "report.html"), 6)


def test_a_dry_run_says_which_model_would_be_shown(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run), "--out", str(tmp_path / "page.html"), "--dry-run"]) == 0
    assert capsys.readouterr().out == f"would write {tmp_path / 'page.html'}, with the model of step 6\n"
    assert not (tmp_path / "page.html").exists()


def test_a_run_whose_checkpoints_are_gone_is_reported_by_its_export(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = report(run, capsys)
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    found = report(tmp_path / "run", capsys, "--out", str(tmp_path / "pages" / "page.html"))
    assert (tmp_path / "pages" / "page.html").is_file()
    assert (found["right"], found["by_kind"]) == (whole["right"], whole["by_kind"])


def test_shards_that_have_moved_are_named_anew(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = report(run, capsys)
    shutil.copytree(run, tmp_path / "run")
    moved = tmp_path / "shards"
    shutil.move(run.parent / "shards", moved)
    try:
        missing = report(tmp_path / "run", capsys)
        assert str(run.parent / "shards") in missing["missing"]
        assert "Nothing here" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
        assert report(tmp_path / "run", capsys, "--data", str(moved))["right"] == whole["right"]
        assert main(["report", str(tmp_path / "run"), "--data", str(moved), "--data", str(moved)]) == 2
    finally:
        shutil.move(moved, run.parent / "shards")


def test_other_shards_are_not_taken_for_the_runs(
    run: Path, few_shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "run")
    assert "fingerprint" in report(tmp_path / "run", capsys, "--data", str(few_shards))["missing"]


@pytest.mark.parametrize(("words", "code"), [(["--rows", "0"], 2), ([], 66)])
def test_what_cannot_be_reported_is_said(
    words: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path), *words]) == code
    assert "Traceback" not in capsys.readouterr().err
