"""Run jobs in worker processes. A worker that dies costs its job one more try; a signal stops between two batches."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from types import FrameType
from typing import Any, Final, Generic, TypeVar

from corpus_tools.errors import OutOfMemoryError

Job = TypeVar("Job")
Result = TypeVar("Result")

# Not fork: the tokenizer's threads and Arrow's do not survive it.
SPAWN: Final[SpawnContext] = multiprocessing.get_context("spawn")
TICK_SECONDS: Final = 0.5


class StopRequest:
    """Whether the user asked to stop. A plain attribute, so that a signal handler can set it at any moment."""

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request; the second one acts as if nobody listened."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        request.asked = True
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def as_worker() -> None:
    """Make this process a good worker: the parent alone answers Ctrl-C, and its death ends the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    # Without this an orphan waits forever for a job that nobody can send.
    signal.raise_signal(signal.SIGKILL)


@dataclass(frozen=True, kw_only=True)
class Workers(Generic[Job, Result]):
    """Worker processes and what they do. All callables but `tick` and `halt` must be importable by name."""

    work: Callable[[Job], Result]
    count: int
    """Processes, at least 1."""
    start: Callable[..., None]
    """Called once in each process."""
    start_args: tuple[Any, ...]
    tick: Callable[[], None]
    """Called here about twice a second; what it raises ends the run."""
    halt: Callable[[], None]
    """Called here when the run ends early: makes running jobs return soon."""
    name: Callable[[Job], str]
    """Names a job in messages."""

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Result]]:
        """Yield each job with its result, in the order in which they finish.

        Raises:
            OutOfMemoryError: a worker died twice at one job. Whatever `work` or `tick` raises.
        """
        left = deque(jobs)
        while left:
            running: dict[Future[Result], Job] = {}
            try:
                yield from self._feed(left, running)
            except BrokenProcessPool:
                # Which of the jobs killed its worker is not known: each gets its second try alone.
                for job in list(running.values()):
                    yield job, self._alone(job)

    def _feed(self, left: deque[Job], running: dict[Future[Result], Job]) -> Iterator[tuple[Job, Result]]:
        """Keep every worker busy; no job waits inside the pool, so `running` is what a dead worker can have had."""
        with self._pool(self.count) as pool:
            while left or running:
                while left and len(running) < self.count:
                    # Noted before it is taken off the list: `submit` raises when the pool is broken already.
                    running[pool.submit(self.work, left[0])] = left[0]
                    left.popleft()
                done, _ = wait(running, TICK_SECONDS, FIRST_COMPLETED)
                self.tick()
                for future in done:
                    result = future.result()
                    yield running.pop(future), result

    def _alone(self, job: Job) -> Result:
        try:
            [(_, result)] = list(self._feed(deque([job]), {}))
        except BrokenProcessPool as error:
            raise OutOfMemoryError(
                f"{self.name(job)}: the worker process died twice at it, most likely because memory ran out. "
                "Use fewer --workers; what is done stays done"
            ) from error
        return result

    @contextmanager
    def _pool(self, count: int) -> Iterator[ProcessPoolExecutor]:
        pool = ProcessPoolExecutor(count, SPAWN, self.start, self.start_args)
        try:
            yield pool
        except BrokenProcessPool:
            raise  # nothing runs any more, and the run goes on
        except BaseException:
            self.halt()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
