"""Text to a shard folder: split the inputs, encode the splits in worker processes, account for every document.

Each split becomes one shard. A shard is done when its record is written; a build that was stopped, killed or cut off
goes on with the shards that are not.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from corpus_tools.build_folder import account_for, claim, examine, join_rejects, key_of, remove_all, remove_records
from corpus_tools.build_report import write_build_report
from corpus_tools.build_settings import BuildSettings, EncodingParts, identity, make_encoder, tool_version
from corpus_tools.encode.encoder import Encoded, Encoder
from corpus_tools.errors import DataError, DiskError, StoppedError
from corpus_tools.pool import SPAWN, StopRequest, Workers, as_worker, stop_on_signals
from corpus_tools.schema import Document
from corpus_tools.shards.manifest import REPORT, TOKENIZER, Manifest
from corpus_tools.shards.write import ShardRecord, finished, write_shard
from corpus_tools.storage import locked
from corpus_tools.text.inputs import ReadSettings, find_inputs
from corpus_tools.text.read import Reject, read_split
from corpus_tools.text.splits import Split, plan_splits

BATCH_CHARS: Final = 1 << 18
BATCH_DOCUMENTS: Final = 512
"""A batch ends at either bound. Between two batches a worker can be stopped."""

_Board = MutableSequence[int]
"""Shared by all processes of a run: documents and tokens so far, and 1 once the run is halted."""
_DOCUMENTS, _TOKENS, _HALTED = range(3)


@dataclass(frozen=True, slots=True)
class Job:
    """One split and the number of the shard it becomes."""

    number: int
    split: Split

    @property
    def name(self) -> str:
        """The split as messages name it."""
        return f"{self.split.file.path} (bytes {self.split.start:,} to {self.split.end:,})"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is."""

    shards_done: int
    shards: int
    documents: int
    """Encoded by this run so far, those of unfinished shards too."""
    tokens: int
    seconds: float
    """Since this run began."""


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
        """The splits by shard number, the largest first, so that no worker is left with a large one at the end."""
        jobs = [Job(number, split) for number, split in enumerate(self.splits)]
        return sorted(jobs, key=lambda job: -job.split.n_bytes)


def plan_build(settings: BuildSettings) -> BuildPlan:
    """Read vocabulary and lists and split the inputs; nothing is written.

    Raises:
        SettingsError, MissingInputError, DataError: something that was named is not there or cannot be used.
    """
    splits = plan_splits(find_inputs(settings.inputs), settings.split_bytes, settings.read)
    parts = make_encoder(settings)
    return BuildPlan(settings, parts, splits, identity(settings, parts.fingerprints, splits))


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
    folder = Path(plan.settings.out)
    examine(folder, plan.identity)  # before anything is written into a folder that is not ours
    _make(folder)
    with locked(folder), stop_on_signals() as stop:
        manifest = claim(folder, plan.identity, plan.settings.to_json())
        if manifest is None:
            plan.parts.encoder.vocabulary.save(folder / TOKENIZER, plan.settings.model_max_length)
            manifest = _finish(plan, folder, _Run(plan, folder, stop, progress).records())
        # Also those of a run that ended between its manifest and this line.
        remove_records(folder, len(plan.splits))
    return manifest


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(f"{folder}: cannot be made: {error.strerror}") from error


def _finish(plan: BuildPlan, folder: Path, records: Sequence[ShardRecord]) -> Manifest:
    try:
        accounting, counts = account_for(records)
    except DataError:
        remove_all(folder, len(records))
        raise
    vocabulary = plan.parts.encoder.vocabulary
    manifest = Manifest(
        tool_version=tool_version(),
        settings=plan.settings.to_json(),
        identity=plan.identity,
        vocabulary={"fingerprint": vocabulary.fingerprint, "size": vocabulary.size},
        kinds=[{"name": name, "mark": mark} for name, mark in plan.parts.encoder.kinds],
        shards=[record.shard for record in records],
        accounting=accounting,
        counters=counts.to_json(),
    )
    join_rejects(folder, len(records))
    write_build_report(folder / REPORT, manifest)
    manifest.save(folder)
    return manifest


class _Batched(Protocol):
    def __call__(self, documents: int, tokens: int) -> None:
        """Take note of a batch; raises StoppedError where the user asked to stop."""


@dataclass(frozen=True, slots=True)
class _SplitWork:
    """Turns splits into shards, in whichever process it is."""

    encoder: Encoder
    folder: Path
    key: str
    read: ReadSettings
    batched: _Batched

    def run(self, job: Job) -> ShardRecord:
        return write_shard(self.folder, job.number, self.key, self.encoder.vocabulary.size, self._encode(job.split))

    def _encode(self, split: Split) -> Iterator[Encoded]:
        for documents, rejects in _batches(read_split(split, self.read)):
            made = self.encoder.encode(documents)
            made.rejects = rejects + made.rejects
            yield made
            self.batched(made.counts.documents, made.counts.tokens)


def _batches(found: Iterator[Document | Reject]) -> Iterator[tuple[list[Document], list[Reject]]]:
    documents: list[Document] = []
    rejects: list[Reject] = []
    characters = 0
    for item in found:
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            documents.append(item)
            characters += len(item.text)
        if characters >= BATCH_CHARS or len(documents) + len(rejects) >= BATCH_DOCUMENTS:
            yield documents, rejects
            documents, rejects, characters = [], [], 0
    yield documents, rejects


class _Run:
    """One run of a build: in this process with one worker, else in a pool."""

    def __init__(self, plan: BuildPlan, folder: Path, stop: StopRequest, progress: Callable[[Progress], None]) -> None:
        self.plan, self.folder, self.stop, self.progress = plan, folder, stop, progress
        self.key = key_of(plan.identity)
        self.began = time.monotonic()
        # Without a lock: a worker that is killed while it holds one would block all others for good. A sum that is
        # lost now and then shows in the progress line alone.
        self.board: _Board = SPAWN.RawArray("q", 3)
        found = {job.number: finished(folder, job.number, self.key) for job in plan.jobs}
        self.done = {number: record for number, record in found.items() if record}

    def records(self) -> list[ShardRecord]:
        """Do what is not done, and return the records of all shards in order."""
        jobs = [job for job in self.plan.jobs if job.number not in self.done]
        run = self._here if self.plan.settings.n_workers == 1 or len(jobs) <= 1 else self._in_pool
        self._tick()
        for job, record in run(jobs):
            self.done[job.number] = record
            self._tick()
        return [self.done[number] for number in range(len(self.plan.splits))]

    def _here(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, ShardRecord]]:
        def batched(documents: int, tokens: int) -> None:
            _add(self.board, documents, tokens)
            self._tick()

        work = _SplitWork(self.plan.parts.encoder, self.folder, self.key, self.plan.settings.read, batched)
        for job in jobs:
            yield job, work.run(job)

    def _in_pool(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, ShardRecord]]:
        workers = Workers[Job, ShardRecord](
            work=_work,
            count=min(self.plan.settings.n_workers, len(jobs)),
            start=_start_worker,
            start_args=(self.plan.settings, self.folder, self.key, self.board),
            tick=self._tick,
            halt=self._halt,
            name=lambda job: job.name,
        )
        return workers.run(jobs)

    def _halt(self) -> None:
        self.board[_HALTED] = 1

    def _tick(self) -> None:
        documents, tokens, _ = self.board
        seconds = time.monotonic() - self.began
        self.progress(Progress(len(self.done), len(self.plan.splits), documents, tokens, seconds))
        if self.stop.asked:
            raise StoppedError(
                f"stopped: {len(self.done)} of {len(self.plan.splits)} shards are done. Run the same command to go on"
            )


def _add(board: _Board, documents: int, tokens: int) -> None:
    board[_DOCUMENTS] += documents
    board[_TOKENS] += tokens


_worker: _SplitWork | None = None


def _start_worker(settings: BuildSettings, folder: Path, key: str, board: _Board) -> None:
    """Build the encoder once in each worker process."""
    global _worker
    as_worker()
    # Each worker is one processor's work; the tokenizer's own threads would fight over them.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"

    def batched(documents: int, tokens: int) -> None:
        _add(board, documents, tokens)
        if board[_HALTED]:
            raise StoppedError(f"{multiprocessing.current_process().name}: told to stop")

    _worker = _SplitWork(make_encoder(settings).encoder, folder, key, settings.read, batched)


def _work(job: Job) -> ShardRecord:
    assert _worker is not None
    return _worker.run(job)
