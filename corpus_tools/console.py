"""How far a build is, on standard error: one moving line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.status import Status

from corpus_tools.build import Progress

PLAIN_SECONDS: Final = 10.0
"""Between two lines where nobody watches."""


class ProgressLine:
    """Shows the progress it is called with. Use as a context; the line is gone afterwards."""

    def __init__(self) -> None:
        console = Console(file=sys.stderr)
        self._status: Status | None = console.status("starting") if console.is_terminal else None
        self._said = time.monotonic()
        self.last: Progress | None = None
        """The newest report, for what is said at the end."""

    def __enter__(self) -> ProgressLine:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def __call__(self, progress: Progress) -> None:
        self.last = progress
        if self._status:
            self._status.update(line(progress))
        elif time.monotonic() - self._said >= PLAIN_SECONDS:
            self._said = time.monotonic()
            print(line(progress), file=sys.stderr, flush=True)


def line(progress: Progress) -> str:
    """Write progress as one line."""
    speed = progress.tokens / progress.seconds if progress.seconds else 0.0
    return (
        f"{progress.shards_done} of {progress.shards} shards · {progress.documents:,} documents · "
        f"{progress.tokens:,} tokens · {speed:,.0f} tokens a second · {progress.seconds:,.0f} s"
    )
