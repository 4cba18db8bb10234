"""The log of a run: whole lines only, and what a resume takes back."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from cn_bert.training.log import RunLog, clock, progress_line, read_log


def open_log(folder: Path, **more: bool) -> RunLog:
    return RunLog(folder, tensorboard=False, speak=True, console=io.StringIO(), **more)


def test_a_line_is_on_the_disk_when_it_is_written(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.write(step=1, loss=2.5, note="中文")
    assert (tmp_path / "log.jsonl").read_text(encoding="utf-8") == '{"step": 1, "loss": 2.5, "note": "中文"}\n'
    log.close()


@pytest.mark.parametrize("half", ["{", '{"step": 3, "lo', '{"step": 3}', '{"note": "中'])
def test_a_half_last_line_is_dropped(tmp_path: Path, half: str) -> None:
    path = tmp_path / "log.jsonl"
    whole = '{"step": 1, "loss": 3.0}\n{"step": 2, "loss": 2.0}\n'
    path.write_bytes(whole.encode() + half.encode()[: -1 if half.endswith("中") else None])
    assert [line["step"] for line in read_log(path)] == [1, 2]
    log = open_log(tmp_path)
    assert path.read_text() == whole
    log.write(step=3, loss=1.0)
    assert [line["step"] for line in read_log(path)] == [1, 2, 3]


def test_a_log_that_is_nothing_but_half_a_line_becomes_empty(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 1')
    assert not open_log(tmp_path).begun
    assert (tmp_path / "log.jsonl").read_text() == ""


def test_a_log_knows_whether_the_run_has_begun(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    assert not log.begun
    log.write(step=1)
    assert open_log(tmp_path).begun


def test_the_other_ranks_are_silent_and_write_nothing(tmp_path: Path) -> None:
    console = io.StringIO()
    log = RunLog(tmp_path / "run", tensorboard=True, speak=False, console=console)
    log.write(step=1)
    log.say("hello")
    log.close()
    assert not (tmp_path / "run").exists()
    assert console.getvalue() == ""


def read(tmp_path: Path, *lines: dict) -> list[tuple]:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return [(line.get("step"), line.get("loss"), line.get("resumed_from")) for line in read_log(path)]


def test_what_a_resume_took_back_does_not_count(tmp_path: Path) -> None:
    steps = [{"step": number, "loss": float(number)} for number in range(5)]
    again = [{"step": number, "loss": 10.0 + number} for number in range(3, 6)]
    last = [{"step": number, "loss": 20.0 + number} for number in range(5, 6)]
    found = read(tmp_path, *steps, {"resumed_from": 2}, *again, {"resumed_from": 4}, *last)
    assert [line[:2] for line in found if line[1] is not None] == [
        (0, 0.0),
        (1, 1.0),
        (2, 2.0),
        (3, 13.0),
        (4, 14.0),
        (5, 25.0),
    ]
    assert [line[2] for line in found if line[2] is not None] == [2, 4]


def test_a_run_that_begins_anew_counts_from_nothing(tmp_path: Path) -> None:
    found = read(
        tmp_path, {"step": 0}, {"step": 1, "loss": 1.0}, {"resumed_from": 0}, {"step": 0}, {"step": 1, "loss": 2.0}
    )
    assert found == [(None, None, 0), (0, None, None), (1, 2.0, None)]


def test_progress_line() -> None:
    values = {"loss": 7.3124, "mlm_loss": 6.6, "mlm_accuracy": 0.2137, "lr": 1e-4}
    values |= {"tokens": 9, "tokens_per_second": 18220.4, "mfu": 0.4126}
    assert progress_line(1200, 10000, values, 754) == (
        "step 1,200/10,000  loss 7.3124  mlm 21.4%  lr 1.00e-04  18,220 tok/s  mfu 41.3%  left 0:12:34"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (-3, "0:00:00"), (59.4, "0:00:59"), (59.6, "0:01:00"), (3661, "1:01:01"), (360000, "100:00:00")],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_tensorboard_that_does_not_work_stops_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    console = io.StringIO()
    log = RunLog(tmp_path, tensorboard=True, speak=True, console=console)
    log.write(step=1, loss=1.0)
    assert "TensorBoard is off" in console.getvalue()
    assert len(read_log(tmp_path / "log.jsonl")) == 1


def test_tensorboard_gets_the_numbers(tmp_path: Path) -> None:
    log = RunLog(tmp_path, tensorboard=True, speak=True, console=io.StringIO())
    log.write(step=1, loss=1.0)
    log.write(resumed_from=1)
    log.close()
    assert list((tmp_path / "tensorboard").iterdir())
