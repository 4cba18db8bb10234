"""Read a whole corpus in worker processes, as often as a command needs that writes a list about all of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from corpus_tools.corpus_settings import CorpusSettings
from corpus_tools.errors import StoppedError
from corpus_tools.pool import CONTEXT, StopRequest, Workers
from corpus_tools.schema import Document
from corpus_tools.text.document_batches import document_batches
from corpus_tools.text.splits import Split

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

_Board = MutableSequence[int]
"""Shared by all processes of a pass: documents and characters so far, and 1 once the pass is halted."""
_DOCUMENTS, _CHARACTERS, _HALTED = range(3)


@dataclass(frozen=True, slots=True)
class Share:
    """Some splits that one worker reads one after the other."""

    number: int
    splits: tuple[Split, ...]

    @property
    def n_bytes(self) -> int:
        """How much there is to read."""
        return sum(split.n_bytes for split in self.splits)

    @property
    def name(self) -> str:
        """The share as messages name it."""
        first = self.splits[0]
        more = f" and {len(self.splits) - 1} more" if len(self.splits) > 1 else ""
        return f"{first.file.path} (from byte {first.start:,}){more}"


def one_each(splits: Sequence[Split]) -> list[Share]:
    """Make every split a share."""
    return [Share(number, (split,)) for number, split in enumerate(splits)]


def shared_out(splits: Sequence[Split], n_shares: int) -> list[Share]:
    """Deal splits out to at most `n_shares` shares of about one size."""
    shares: list[list[Split]] = [[] for _ in range(min(n_shares, len(splits)))]
    for split in sorted(splits, key=lambda split: -split.n_bytes):
        min(shares, key=lambda share: sum(other.n_bytes for other in share)).append(split)
    return [Share(number, tuple(share)) for number, share in enumerate(shares)]


class Work(Protocol[Result_co]):
    """What is done with a share. It is sent to the workers, so it must be importable and small."""

    def __call__(self, share: Share, batches: Iterator[list[Document]]) -> Result_co:
        """Take all batches; what does not belong into the result is kept on disk."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass is, or the work between two passes."""

    step: str
    done: int
    parts: int
    documents: int = 0
    """Read by this pass so far; 0 between two passes."""
    characters: int = 0
    seconds: float = 0.0
    """Since this pass began."""

    def __str__(self) -> str:
        """Write it as one line."""
        line = f"{self.step} · {self.done} of {self.parts} parts"
        if not (self.documents and self.seconds):
            return line
        speed = f"{self.characters / self.seconds:,.0f} characters a second"
        return f"{line} · {self.documents:,} documents · {speed} · {self.seconds:,.0f} s"


@dataclass(frozen=True, slots=True)
class Pass(Generic[Result]):
    """What a pass over the corpus gave."""

    results: list[Result]
    """In the order of the shares."""
    documents: int
    unusable: int
    """Documents that `build` would drop too."""


@dataclass(frozen=True, slots=True)
class CorpusReader:
    """Goes over a corpus in passes; a signal stops it between two batches."""

    settings: CorpusSettings
    stop: StopRequest
    progress: Callable[[Progress], None]

    def note(self, progress: Progress) -> None:
        """Show how far it is.

        Raises:
            StoppedError: a signal asked to stop.
        """
        self.progress(progress)
        if self.stop.asked:
            raise StoppedError("stopped: nothing is written. Run the same command to begin anew")

    def go_over(self, step: str, work: Work[Result], shares: Sequence[Share]) -> Pass[Result]:
        """Have every share worked on, the largest first.

        Args:
            step: names the pass in the progress line.
            work: called once a share, in a worker process if there are several.
            shares: each document is in one of them.

        Raises:
            StoppedError: a signal asked to stop. DataError and MissingInputError of reading; whatever `work` raises.
        """
        board: _Board = CONTEXT.RawArray("q", 3)
        began = time.monotonic()
        done: dict[int, _Done[Result]] = {}

        def tick() -> None:
            seconds = time.monotonic() - began
            self.note(Progress(step, len(done), len(shares), board[_DOCUMENTS], board[_CHARACTERS], seconds))

        reading = _Reading(work, self.settings, board)
        jobs = sorted(shares, key=lambda share: -share.n_bytes)
        tick()
        alone = self.settings.n_workers == 1 or len(jobs) == 1
        for share, result in reading.here(jobs, tick) if alone else self._in_pool(reading, jobs, tick):
            done[share.number] = result
            tick()
        made = [done[share.number] for share in shares]
        n_documents, n_unusable = sum(each.documents for each in made), sum(each.unusable for each in made)
        return Pass([each.result for each in made], n_documents, n_unusable)

    def _in_pool(
        self, reading: _Reading[Result], jobs: Sequence[Share], tick: Callable[[], None]
    ) -> Iterator[tuple[Share, _Done[Result]]]:
        workers = Workers[Share, _Done[Result]](
            work=_work,
            count=min(self.settings.n_workers, len(jobs)),
            start=_start_worker,
            start_args=(reading,),
            tick=tick,
            halt=reading.halt,
            name=lambda share: share.name,
        )
        return workers.run(jobs)


@dataclass(frozen=True, slots=True)
class _Done(Generic[Result]):
    result: Result
    documents: int
    unusable: int


@dataclass(frozen=True, slots=True)
class _Reading(Generic[Result]):
    """Reads shares and has them worked on, in whichever process it is."""

    work: Work[Result]
    settings: CorpusSettings
    board: _Board

    def here(self, shares: Sequence[Share], tick: Callable[[], None]) -> Iterator[tuple[Share, _Done[Result]]]:
        for share in shares:
            yield share, self.run(share, tick)

    def halt(self) -> None:
        self.board[_HALTED] = 1

    def stop_if_halted(self) -> None:
        if self.board[_HALTED]:
            raise StoppedError("told to stop")

    def run(self, share: Share, batched: Callable[[], None]) -> _Done[Result]:
        n_documents = n_unusable = 0

        def batches() -> Iterator[list[Document]]:
            nonlocal n_documents, n_unusable
            for documents, rejects in document_batches(self.settings.documents(share.splits)):
                n_documents += len(documents)
                n_unusable += len(rejects)
                yield documents
                # Without a lock, as a build's: a sum that is lost now and then shows in the progress line alone.
                self.board[_DOCUMENTS] += len(documents)
                self.board[_CHARACTERS] += sum(len(document.text) for document in documents)
                batched()

        result = self.work(share, batches())
        return _Done(result, n_documents, n_unusable)


_reading: _Reading[Any] | None = None

# Each worker is one processor's work; threads of the libraries would fight over them.
_ONE_THREAD: Final = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def _start_worker(reading: _Reading[Any]) -> None:
    global _reading
    os.environ.update(_ONE_THREAD)
    _reading = reading


def _work(share: Share) -> _Done[Any]:
    assert _reading is not None
    return _reading.run(share, _reading.stop_if_halted)
