"""The splits of a build as tasks of a Ray cluster.

A task reads its split, writes its shard into the build's folder and returns the record, so nothing large goes through
Ray, and every node must see the inputs, the lists and the folder under the same paths. A task whose worker or node is
lost is tried again by Ray, elsewhere; a user's error is not.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from corpus_tools.build_settings import BuildSettings
from corpus_tools.build_work import Job, SplitWork, WorkOrder
from corpus_tools.errors import OutputError, SettingsError, UserError
from corpus_tools.pool import TICK_SECONDS, died_at
from corpus_tools.shards.write import ShardRecord

RETRIES: Final = 3
"""Of a task whose worker or node was lost."""
ANSWER_SECONDS: Final = 10.0
"""Granted to a cluster to answer at its address."""
STOP_SECONDS: Final = 30.0
"""Granted to running tasks that are cancelled; then their processes are ended."""
VISIBLE_SECONDS: Final = 90.0
"""Granted to a network file system to show here what another node has written: it keeps names for a minute."""

_QUIET: Final = {"logging_level": logging.WARNING, "log_to_driver": False}


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise SettingsError("engine: ray is not installed. Install it: pip install 'cn-bert[ray]'") from error
    return ray


@contextmanager
def connected(settings: BuildSettings) -> Iterator[None]:
    """Be connected to the Ray cluster of the settings, or to one of this machine alone that ends with the context.

    Raises:
        SettingsError: Ray is not installed, or no cluster is at the address.
    """
    ray = _ray()
    if ray.is_initialized():  # by the program that calls us
        yield
        return
    on_terminate = signal.getsignal(signal.SIGTERM)
    # Ray reports on its use to its makers, unless this says otherwise; nobody was asked.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if address := settings.ray_address or os.environ.get("RAY_ADDRESS"):
            _connect(ray, address)
        else:
            ray.init("local", num_cpus=settings.n_workers, include_dashboard=False, **_QUIET)
        yield
    finally:
        ray.shutdown()
        with suppress(ValueError):  # in a thread, where Ray has not put its own handler either
            signal.signal(signal.SIGTERM, on_terminate)


def _connect(ray: Any, address: str) -> None:
    try:
        if ":" in address:  # Ray itself would try for many minutes
            host, _, port = address.rpartition("/")[2].rpartition(":")
            socket.create_connection((host, port), ANSWER_SECONDS).close()
        ray.init(address, **_QUIET)
    except (OSError, ray.exceptions.RayError) as error:
        raise SettingsError(f"ray_address: no Ray cluster answers at {address}. Begin one: ray start --head") from error


@dataclass(frozen=True, kw_only=True)
class RayTasks:
    """Does the jobs of a build on the cluster that is connected."""

    order: WorkOrder
    tick: Callable[[], None]
    """Called about twice a second; what it raises ends the run."""

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, ShardRecord]]:
        """Yield each job with its record, in the order in which they finish.

        Raises:
            OutOfMemoryError: the workers of the jobs it names died at every try; all others are done.
            OutputError: what was written is not to be seen here. Whatever a task or `tick` raises.
        """
        ray = _ray()
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_write_shard)
        order = ray.put(self.order)
        left, running, died = deque(jobs), dict[Any, Job](), list[str]()
        try:
            while left or running:
                while left and len(running) < (self.order.settings.workers or len(jobs)):
                    job = left.popleft()
                    running[task.remote(order, job)] = job
                ready, _ = ray.wait([*running], timeout=TICK_SECONDS)
                self.tick()
                for reference in ready:
                    job = running.pop(reference)
                    try:
                        record = ray.get(reference)
                    except ray.exceptions.RayTaskError as error:
                        raise error.cause from error
                    except ray.exceptions.RayError as error:
                        died.append(f"{job.name} ({type(error).__name__})")
                        continue
                    self._see(record)
                    yield job, record
        except BaseException:
            _cancel(ray, [*running])
            raise
        if died:
            raise died_at(died)

    def _see(self, record: ShardRecord) -> None:
        path = self.order.folder / record.shard.file
        give_up = time.monotonic() + VISIBLE_SECONDS
        while not path.is_file():
            if time.monotonic() > give_up:
                raise OutputError(
                    f"{path}: written on another node and not to be seen here. --out must lie where all nodes see it"
                )
            time.sleep(TICK_SECONDS)
            self.tick()


def _cancel(ray: Any, references: Sequence[Any]) -> None:
    """End tasks: those that wait at once, those that run between two lines of Python, and the rest by force."""
    for reference in references:
        ray.cancel(reference)
    _, deaf = ray.wait(references, num_returns=len(references), timeout=STOP_SECONDS) if references else ([], [])
    for reference in deaf:
        ray.cancel(reference, force=True)


_begun: tuple[WorkOrder, SplitWork] | None = None
"""What this worker process has made for its last task."""


def _write_shard(order: WorkOrder, job: Job) -> ShardRecord:
    """Do a job in a worker process of the cluster."""
    global _begun
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a task is one processor's work
    try:
        if _begun is None or _begun[0] != order:
            _begun = order, order.begin(lambda documents, tokens, n_bytes: None)
        return _begun[1].run(job)
    except UserError as error:
        node = socket.gethostname()
        raise type(error)(f"{error} (on {node}; all nodes must see the same files at the same places)") from error
