"""What a run tells while it goes: a line a report on the console, in `log.jsonl` and in TensorBoard."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from corpus_tools.errors import DiskError

LOG: Final = "log.jsonl"


class RunLog:
    """The first rank's log. Other ranks get one that stays silent."""

    def __init__(self, folder: Path, *, tensorboard: bool, speak: bool, console: TextIO | None = None) -> None:
        self._speak = speak
        self._console = console or sys.stderr
        self._board: Any = None
        self.begun = False
        """Whether an earlier start of the run has written reports."""
        if not speak:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / LOG
        _end_last_line(self._path)
        self.begun = self._path.is_file() and self._path.stat().st_size > 0
        if tensorboard:
            self._board = _open_board(folder / "tensorboard", self.say)

    def say(self, text: str) -> None:
        """Print a line to the console."""
        if self._speak:
            print(text, file=self._console, flush=True)

    def write(self, **values: Any) -> None:
        """Append a line to log.jsonl, on the disk when this returns, and its numbers to TensorBoard.

        Raises:
            DiskError: the disk is full or refuses.
        """
        if not self._speak:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(values, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DiskError(f"{self._path}: cannot be written: {error.strerror or error}") from error
        if self._board is not None and "step" in values:
            for key, value in values.items():
                if key != "step" and isinstance(value, int | float):
                    self._board.add_scalar(key, value, values["step"])

    def close(self) -> None:
        if self._board is not None:
            self._board.close()


def _end_last_line(path: Path) -> None:
    """Drop a half line that a crash left behind, so that what is appended stands on lines of its own."""
    if not path.is_file():
        return
    with path.open("rb+") as file:
        content = file.read()
        file.truncate(content.rfind(b"\n") + 1)


def _open_board(folder: Path, say: Any) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(folder))
    except Exception as error:  # a viewer must never stop a run
        say(f"TensorBoard is off: {error}")
        return None


def progress_line(step: int, last: int, values: Mapping[str, float], seconds_left: float) -> str:
    """Format a report for the console: `step 120/1,000  loss 7.3120  mlm 21.4%  lr 1.00e-04  18,220 tok/s  mfu 41.3%
    left 0:12:34`."""
    parts = [f"step {step:,}/{last:,}", f"loss {values['loss']:.4f}"]
    parts += [
        f"{key.removesuffix('_accuracy')} {value:.1%}" for key, value in values.items() if key.endswith("_accuracy")
    ]
    parts += [f"lr {values['lr']:.2e}", f"{values['tokens_per_second']:,.0f} tok/s", f"mfu {values['mfu']:.1%}"]
    parts += [f"left {clock(seconds_left)}"]
    return "  ".join(parts)


def clock(seconds: float) -> str:
    """Format a duration as h:mm:ss."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read a run's log as it counts now.

    Lines after the step that a resume went on from are left out, and so is a last line that is still being written
    or that a crash cut. A resume from 0 makes everything anew, the scores before the first step too.
    """
    lines: list[dict[str, Any]] = []
    text = path.read_text(encoding="utf-8", errors="replace")
    for whole in text[: text.rfind("\n") + 1].splitlines():
        line = json.loads(whole)
        if "resumed_from" in line:
            at = line["resumed_from"]
            lines = [old for old in lines if old.get("step", 0) <= at] if at else []
        lines.append(line)
    return lines
