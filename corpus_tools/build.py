"""Text to a shard folder: split the inputs, have the splits encoded, account for every document.

Each split becomes one shard. A shard is done when its record is written; a build that was stopped, killed or cut off
goes on with the shards that are not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus_tools.build_changes import Basis, difference
from corpus_tools.build_folder import claim, examine, finish, tidy
from corpus_tools.build_settings import BuildSettings, EncodingParts, identity, make_encoder, tool_version
from corpus_tools.build_work import Job, SplitWork, WorkOrder
from corpus_tools.errors import DataError, DiskError, StoppedError
from corpus_tools.pool import CONTEXT, StopRequest, Workers, stop_on_signals
from corpus_tools.progress import Progress
from corpus_tools.shards.manifest import TOKENIZER, Accounting, Manifest
from corpus_tools.shards.write import ShardRecord, finished
from corpus_tools.storage import locked
from corpus_tools.text.inputs import encodings_of
from corpus_tools.text.splits import Split

_Board = MutableSequence[int]
"""Shared by all processes of a run: documents, tokens and input bytes so far, and 1 once the run is halted."""
_DOCUMENTS, _TOKENS, _BYTES, _HALTED = range(4)


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What a build would do."""

    settings: BuildSettings
    parts: EncodingParts
    splits: list[Split]
    identity: dict[str, Any]
    """Everything that decides the shards' bytes."""

    @property
    def jobs(self) -> list[Job]:
        """The splits of this part by shard number, the largest first: no worker is left with a large one at the end."""
        jobs = [Job(number, split) for number, split in enumerate(self.splits)]
        jobs.sort(key=lambda job: -job.split.n_bytes)
        return list(self.settings.part.of_all(jobs)) if self.settings.part else jobs

    @property
    def basis(self) -> Basis:
        """What the folder has to be of."""
        return Basis(self.identity, self.settings.to_json())

    @property
    def order(self) -> WorkOrder:
        """What the workers are told."""
        return WorkOrder(self.settings, Path(self.settings.out), self.identity)


def plan_build(settings: BuildSettings) -> BuildPlan:
    """Read vocabulary and lists and split the inputs; nothing is written.

    Raises:
        SettingsError, MissingInputError, DataError: something that was named is not there or cannot be used.
    """
    splits = settings.splits()
    parts = make_encoder(settings)
    return BuildPlan(settings, parts, splits, identity(settings, parts, splits))


def build(settings: BuildSettings, progress: Callable[[Progress], None] = lambda _: None) -> Manifest:
    """Build the shard folder `settings.out`, or go on with it, or return its manifest where it is finished.

    With more than one worker the caller's main module is imported by each of them, so a script needs its
    `if __name__ == "__main__":`.

    Raises:
        StoppedError: a signal asked to stop; what is done stays.
        OutputError: the folder is in use or of other settings.
        DataError: no document is left. What `plan_build` raises; DiskError and OutOfMemoryError as they come.
    """
    return run_build(plan_build(settings), progress)


def run_build(plan: BuildPlan, progress: Callable[[Progress], None] = lambda _: None) -> Manifest:
    """Carry out a plan; as `build`."""
    settings, folder = plan.settings, Path(plan.settings.out)
    # Before anything is written into a folder that is not ours, and before a cluster is reached for.
    done = examine(folder, plan.basis, settings.part)
    _make(folder)
    with nullcontext() if done else _connected(settings), locked(folder), stop_on_signals() as stop:
        manifest = claim(folder, plan.basis, settings.part)
        if manifest is None:
            plan.parts.encoder.vocabulary.save(folder / TOKENIZER, settings.model_max_length)
            records = _Run(plan, stop, progress).records()
            _check_inputs(plan)
            manifest = finish(folder, _unfilled(plan), records)
        tidy(folder, manifest)  # also after a run that ended between its manifest and this line
    return manifest


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(f"{folder}: cannot be made: {error.strerror}") from error


def _connected(settings: BuildSettings) -> AbstractContextManager[None]:
    if settings.engine == "local":
        return nullcontext()
    from corpus_tools.cluster import connected

    return connected(settings)


def _check_inputs(plan: BuildPlan) -> None:
    """Refuse to finish where an input was written to while it was read: the shards may hold parts of both texts."""
    now = identity(plan.settings, plan.parts, plan.splits)
    if differs := difference(plan.basis, Basis(now, plan.basis.settings)):
        raise DataError(f"while the build ran: {differs}. Remove {plan.settings.out} and build again")


def _unfilled(plan: BuildPlan) -> Manifest:
    """Return the manifest as far as it does not depend on what the shards hold."""
    encoder = plan.parts.encoder
    return Manifest(
        tool_version=tool_version(),
        settings=plan.settings.to_json(),
        identity=plan.identity,
        vocabulary={"fingerprint": encoder.vocabulary.fingerprint, "size": encoder.vocabulary.size},
        kinds=[{"name": name, "mark": mark} for name, mark in encoder.kinds],
        shards=[],
        accounting=Accounting(0, 0, {}),
        counters={},
        encodings=encodings_of({split.file.name: split.file for split in plan.splits}.values()),
        part=plan.settings.part,
    )


class _Run:
    """One run of a build: in this process with one worker, in a pool of processes, or on a Ray cluster."""

    def __init__(self, plan: BuildPlan, stop: StopRequest, progress: Callable[[Progress], None]) -> None:
        self.plan, self.stop, self.progress = plan, stop, progress
        self.order = plan.order
        self.began = time.monotonic()
        # Without a lock: a worker that is killed while it holds one would block all others for good. A sum that is
        # lost now and then shows in the progress line alone.
        self.board: _Board = CONTEXT.RawArray("q", 4)
        self.jobs, key = plan.jobs, self.order.key
        found = {job.number: finished(self.order.folder, job.number, key) for job in self.jobs}
        self.done = {number: record for number, record in found.items() if record}
        self.bytes = sum(job.split.n_bytes for job in self.jobs if job.number not in self.done)

    def records(self) -> list[ShardRecord]:
        """Do what is not done, and return the records of all shards in order."""
        jobs = [job for job in self.jobs if job.number not in self.done]
        self._tick()
        for job, record in self._engine(jobs)(jobs):
            self.done[job.number] = record
            self._tick()
        return [self.done[number] for number in sorted(self.done)]

    def _engine(self, jobs: Sequence[Job]) -> Callable[[Sequence[Job]], Iterator[tuple[Job, ShardRecord]]]:
        if self.plan.settings.engine == "ray":
            return self._on_ray
        return self._here if self.plan.settings.n_workers == 1 or len(jobs) <= 1 else self._in_pool

    def _here(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, ShardRecord]]:
        def batched(documents: int, tokens: int, n_bytes: int) -> None:
            _add(self.board, documents, tokens, n_bytes)
            self._tick()

        work = self.order.work(self.plan.parts, batched)
        for job in jobs:
            yield job, work.run(job)

    def _in_pool(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, ShardRecord]]:
        workers = Workers[Job, ShardRecord](
            work=_work,
            count=self.plan.settings.n_workers,
            start=_start_worker,
            start_args=(self.order, self.board),
            tick=self._tick,
            halt=self._halt,
            name=lambda job: job.name,
        )
        workers.get_ready()
        self.plan.parts.compile()  # else all workers would do so, each for itself
        # The large ones first, so that all workers end at about the same time.
        return workers.run(sorted(jobs, key=lambda job: -job.split.n_bytes))

    def _on_ray(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, ShardRecord]]:
        from corpus_tools.cluster import RayTasks

        for job, record in RayTasks(order=self.order, tick=self._tick).run(jobs):
            _add(self.board, record.counters["documents"], record.counters["tokens"], job.split.n_bytes)
            yield job, record

    def _halt(self) -> None:
        self.board[_HALTED] = 1

    def _tick(self) -> None:
        documents, tokens, n_bytes, _ = self.board
        seconds = time.monotonic() - self.began
        done, jobs = len(self.done), len(self.jobs)
        # A split whose worker died counts twice.
        self.progress(Progress(done, jobs, documents, tokens, min(n_bytes, self.bytes), self.bytes, seconds))
        if self.stop.asked:
            raise StoppedError(f"stopped: {done} of {jobs} shards are done. Run the same command to go on")


def _add(board: _Board, documents: int, tokens: int, n_bytes: int) -> None:
    board[_DOCUMENTS] += documents
    board[_TOKENS] += tokens
    board[_BYTES] += n_bytes


_split_work: SplitWork | None = None


def _start_worker(order: WorkOrder, board: _Board) -> None:
    """Build the encoder once in each worker process."""
    global _split_work
    # Each worker is one processor's work; the tokenizer's own threads would fight over them.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"

    def batched(documents: int, tokens: int, n_bytes: int) -> None:
        _add(board, documents, tokens, n_bytes)
        if board[_HALTED]:
            raise StoppedError("told to stop")

    _split_work = order.begin(batched)


def _work(job: Job) -> ShardRecord:
    assert _split_work is not None
    return _split_work.run(job)
