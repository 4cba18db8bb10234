"""How far a run is, on standard error: one moving line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final, Generic, TypeVar

from rich.console import Console
from rich.status import Status
from rich.text import Text

State = TypeVar("State")

PLAIN_SECONDS: Final = 10.0
"""Between two lines where nobody watches."""


class ProgressLine(Generic[State]):
    """Shows the state it is called with, as `str` writes it. Use as a context; the line is gone afterwards."""

    def __init__(self) -> None:
        console = Console(file=sys.stderr)
        self._status: Status | None = console.status("starting") if console.is_terminal else None
        self._said = time.monotonic()
        self.last: State | None = None
        """The newest state, for what is said at the end."""

    def __enter__(self) -> ProgressLine[State]:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def __call__(self, state: State) -> None:
        self.last = state
        if self._status:
            self._status.update(Text(str(state), no_wrap=True, overflow="ellipsis"))
        elif time.monotonic() - self._said >= PLAIN_SECONDS:
            self._said = time.monotonic()
            print(state, file=sys.stderr, flush=True)
