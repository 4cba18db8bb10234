"""Run jobs in worker processes. One that dies costs its own job another try; a signal stops between two batches."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, Final, Generic, TypeVar

from corpus_tools.errors import OutOfMemoryError

Job = TypeVar("Job")
Result = TypeVar("Result")

# Not fork: the tokenizer's threads and Arrow's do not survive it. A fork server has imported and run nothing else, so a
# worker starts in a third of the time of a spawned one and shares its modules' memory.
CONTEXT: Final[ForkServerContext] = multiprocessing.get_context("forkserver")
TICK_SECONDS: Final = 0.5
MAX_STARTS: Final = 4
"""Times that a worker is tried to be started."""
MAX_NAMED: Final = 5
"""Lost jobs that one message names."""


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


@dataclass(frozen=True, kw_only=True)
class Workers(Generic[Job, Result]):
    """Worker processes and what they do. `work` and `start` must be importable by name."""

    work: Callable[[Job], Result]
    count: int
    """Processes, at least 1."""
    start: Callable[..., None]
    """Called in each process before its first job."""
    start_args: tuple[Any, ...]
    tick: Callable[[], None]
    """Called here about twice a second; what it raises ends the run."""
    halt: Callable[[], None]
    """Called here when the run ends early: makes running jobs return soon."""
    name: Callable[[Job], str]
    """Names a job in messages."""

    def get_ready(self) -> None:
        """Start the server that workers come from, so that it imports while this process does something else."""
        CONTEXT.set_forkserver_preload([self.work.__module__])
        forkserver.ensure_running()

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Result]]:
        """Yield each job with its result, in the order in which they finish.

        A job whose worker dies gets its second try when all others are done, alone: most likely memory was short.

        Raises:
            OutOfMemoryError: a worker died at the second try too; the message names the jobs, all others are done. Or
                more workers died than there are at a time, before one job was done; or none can be started.
            Whatever `start`, `work` or `tick` raises, at once.
        """
        self.get_ready()
        once: list[Job] = []
        twice: list[Job] = []
        yield from self._share_out(jobs, self.count, once)
        yield from self._share_out(once, 1, twice)
        if twice:
            raise died_at([self.name(job) for job in jobs if job in twice])

    def _share_out(self, jobs: Sequence[Job], count: int, died: list[Job]) -> Iterator[tuple[Job, Result]]:
        """Do jobs, `count` at a time; those whose worker died are put into `died`."""
        left, n_done = deque(jobs), 0
        running: dict[Connection, Job] = {}
        with self._crew() as crew:
            while left or running:
                while left and len(running) < count:
                    pipe = next((pipe for pipe in crew if pipe not in running), None) or self._hire(crew)
                    running[pipe] = left.popleft()
                    with suppress(BrokenPipeError):  # it died while it was idle: found out below
                        pipe.send(running[pipe])
                ready = [pipe for pipe in wait([*running], TICK_SECONDS) if isinstance(pipe, Connection)]
                self.tick()
                for pipe in ready:
                    job = running.pop(pipe)
                    try:
                        result, error = pipe.recv()
                    except (EOFError, ConnectionResetError):
                        died.append(job)
                        crew.pop(pipe).join()
                        if not n_done and len(died) > self.count:
                            raise died_at([self.name(each) for each in died]) from None
                        continue
                    if error is not None:
                        raise error
                    n_done += 1
                    yield job, result

    def _hire(self, crew: dict[Connection, BaseProcess]) -> Connection:
        """Start a worker. Where the fork server has died, which may show only now, that starts another server.

        Raises:
            OutOfMemoryError: no worker starts.
        """
        for _ in range(MAX_STARTS):
            ours, theirs = CONTEXT.Pipe()
            with theirs:  # closed here, so that the worker's own end is the last one, and its death closes the pipe
                process = CONTEXT.Process(
                    target=_serve, args=(theirs, self.start, self.start_args, self.work), daemon=True
                )
                try:
                    process.start()
                except (EOFError, OSError) as error:
                    ours.close()
                    failed = error
                    time.sleep(TICK_SECONDS)  # a server that was killed takes a moment to be gone
                else:
                    crew[ours] = process
                    return ours
        raise OutOfMemoryError(
            f"no worker process can be started ({failed}), most likely because memory ran out. What is done stays "
            "done: run the same command with fewer --workers to go on"
        )

    @contextmanager
    def _crew(self) -> Iterator[dict[Connection, BaseProcess]]:
        """Hold workers by their pipes. At the end the pipes are closed, and a worker goes when it sees that."""
        crew: dict[Connection, BaseProcess] = {}
        try:
            yield crew
        except BaseException:
            self.halt()
            raise
        finally:
            for pipe in crew:
                pipe.close()
            for process in crew.values():
                process.join()


def died_at(names: Sequence[str]) -> OutOfMemoryError:
    """Return the error of a run whose workers died at these jobs, whatever it did."""
    named = "; ".join(names[:MAX_NAMED]) + (f"; and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else "")
    return OutOfMemoryError(
        f"{named}: the worker process died at every try, most likely because memory ran out. What is done stays done: "
        "run the same command with fewer --workers to go on"
    )


def _serve(
    pipe: Connection, start: Callable[..., None], start_args: tuple[Any, ...], work: Callable[[Any], Any]
) -> None:
    """Do the jobs that come through the pipe, until it is closed."""
    as_worker()
    started = False
    with suppress(EOFError, BrokenPipeError):
        while True:
            job = pipe.recv()
            answer: tuple[Any, Exception | None]
            try:
                if not started:
                    start(*start_args)
                    started = True
                answer = work(job), None
            except MemoryError:
                os._exit(OutOfMemoryError.exit_code)  # as if the kernel had ended us: the job gets a second try, alone
            except Exception as error:
                answer = None, _portable(error)
            pipe.send(answer)


def as_worker() -> None:
    """Make this process a good worker: the parent alone answers Ctrl-C, and its death ends the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    # Without this an orphan would first finish its job, and write into a folder that another build may hold by then.
    signal.raise_signal(signal.SIGKILL)


def _portable(error: Exception) -> Exception:
    """Return the error with its traceback as a note, or what can be told of one that cannot be sent."""
    told = traceback.format_exc()
    error.add_note(told)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes, a line earlier
    except Exception:
        return RuntimeError(told)
    return error
