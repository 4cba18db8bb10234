"""What a build will come to, from a sample that is read and encoded as the build would; nothing is written.

The sample is taken at PLACES spread evenly over the bytes of the inputs. A place begins where its split does, or where
the place before it ended: packed text cannot be entered in its middle. At each place more is read than is encoded, for
reading is cheap, and how much the documents differ in length is what an estimate goes wrong by.
"""

from __future__ import annotations

import heapq
import resource
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Final

import numpy as np

from corpus_tools.build import BuildPlan
from corpus_tools.build_work import Job, ReadMeter, SplitWork
from corpus_tools.schema import Document, shard_schema
from corpus_tools.shards.write import record_batch
from corpus_tools.text.document_batches import document_batches
from corpus_tools.text.read import Reject
from corpus_tools.text.tables import n_rows

PLACES: Final = 64
READ_CHARS: Final = 1 << 20
"""Of the documents that are read at a place, about. At all places together that is some 180 MB of Chinese text."""
ENCODE_CHARS: Final = 1 << 14
"""Of those that are encoded, about; of a longer document only its beginning is."""
START_SECONDS: Final = 1.0
"""To import, load tables and start workers, and to write the report at the end."""
LEAST_ERROR: Final = 0.01
"""Where not everything was encoded."""


@dataclass(slots=True)
class Amounts:
    """What comes of some input."""

    documents: float = 0.0
    """That are kept."""
    dropped: Counter[str] = field(default_factory=Counter)
    """By reason."""
    chars: float = 0.0
    """Of the documents."""
    tokens: float = 0.0
    unknown: float = 0.0
    """[UNK] among them."""
    bytes: float = 0.0
    """Of the shards."""
    seconds: float = 0.0
    """Of one processor."""

    def add(self, other: Amounts, times: float) -> None:
        """Add what comes of `times` as much input as `other`'s."""
        self.documents += times * other.documents
        self.chars += times * other.chars
        self.tokens += times * other.tokens
        self.unknown += times * other.unknown
        self.bytes += times * other.bytes
        self.seconds += times * other.seconds
        for reason, n in other.dropped.items():
            self.dropped[reason] += times * n  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run of a build will come to, were it alone on its processors."""

    amounts: Amounts
    seconds: float
    """From its beginning to its end, with its workers."""
    memory: int
    """Bytes of a worker."""
    error: float
    """Twice the standard error of the tokens, as a share of them."""
    sampled: int
    """Documents that were encoded for it."""
    read: float
    """Share of the inputs that was read for it."""
    left_out: list[str]
    """Inputs whose size is not known beforehand: nothing of them is in the estimate."""


@dataclass(frozen=True, slots=True)
class _Place:
    n_bytes: int
    """Of the input, as it is stored."""
    amounts: Amounts
    chosen: list[Document]
    """That were encoded."""


@dataclass(slots=True)
class _Sample:
    """The places of one split."""

    n_bytes: int
    """Of the split."""
    places: list[_Place]
    stands_for: float = 0.0
    """Bytes of the inputs that are taken to be like this split."""

    @property
    def n_read(self) -> int:
        """Bytes at the places."""
        return sum(place.n_bytes for place in self.places)


def estimate(plan: BuildPlan, jobs: Sequence[Job]) -> Estimate:
    """Estimate what it takes to do some jobs of a plan.

    Raises:
        DataError, MissingInputError: an input cannot be read.
    """
    known = [job for job in jobs if job.split.n_bytes]
    n_bytes = sum(job.split.n_bytes for job in known)
    work = plan.order.work(plan.parts, lambda documents, tokens, n_bytes: None)
    samples = [_Sample(job.split.n_bytes, _sample(work, job, n_places)) for job, n_places in _spread_places(known)]
    # A split below the distance of two places stands for its like that have none.
    weights = [max(sample.n_bytes, n_bytes / PLACES) for sample in samples]
    for sample, weight in zip(samples, weights, strict=True):
        sample.stands_for = n_bytes * weight / sum(weights)
    amounts = Amounts()
    for sample in samples:
        for place in sample.places:
            amounts.add(place.amounts, sample.stands_for / sample.n_read)
    chosen = [document for sample in samples for place in sample.places for document in place.chosen]
    amounts.seconds += amounts.chars * _seconds_a_char(work, chosen)
    return Estimate(
        amounts=amounts,
        seconds=START_SECONDS + _makespan(known, amounts.seconds, plan.settings.n_workers),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        error=max(LEAST_ERROR, _error(samples) / max(amounts.tokens, 1)),
        sampled=len(chosen),
        read=sum(sample.n_read for sample in samples) / max(n_bytes, 1),
        left_out=list(dict.fromkeys(job.split.file.name for job in jobs if job.split.file.format == "datasets")),
    )


def _error(samples: Sequence[_Sample]) -> float:
    """Return twice the standard error of the tokens: the places of a split differ, and so will what was not read."""
    densities = [[place.amounts.tokens / place.n_bytes for place in sample.places] for sample in samples]
    of_all = _variance([density for each in densities for density in each])
    squares = 0.0
    for sample, each in zip(samples, densities, strict=True):
        variance = _variance(each) if len(each) > 1 else of_all
        squares += sample.stands_for**2 * variance / len(each) * (1 - sample.n_read / sample.n_bytes)
    return 2 * sqrt(max(squares, 0.0))


def _variance(values: Sequence[float]) -> float:
    return float(np.var(values, ddof=1)) if len(values) > 1 else 0.0


def _spread_places(jobs: Sequence[Job]) -> list[tuple[Job, int]]:
    """Return the jobs that places fall on, and how many."""
    ends = np.cumsum([job.split.n_bytes for job in jobs])
    points = (np.arange(PLACES if jobs else 0) + 0.5) * (ends[-1] / PLACES if jobs else 0)
    found, counts = np.unique(np.searchsorted(ends, points, side="right"), return_counts=True)
    return [(jobs[number], n) for number, n in zip(found.tolist(), counts.tolist(), strict=True)]


def _sample(work: SplitWork, job: Job, n_places: int) -> list[_Place]:
    """Read and encode at the first places of a split; fewer where it ends before."""
    found, rows = work.documents(job.split), n_rows(job.split.file)
    left = job.split.n_bytes
    places: list[_Place] = []
    ended = False
    while len(places) < n_places and not ended:
        since, meter = time.process_time(), ReadMeter(left)
        documents, rejects, ended = _read(found)
        if ended:
            n_bytes = left
        elif rows:  # a table is read by the column and mapped into memory, so the meter tells nothing
            n_bytes = job.split.n_bytes * (len(documents) + len(rejects)) // rows
        else:
            n_bytes = meter.more() or sum(len(document.text.encode()) for document in documents)
        n_bytes = max(1, min(n_bytes, left))
        left -= n_bytes
        amounts = Amounts(dropped=Counter(reject.reason for reject in rejects), seconds=time.process_time() - since)
        places.append(_Place(n_bytes, amounts, _encode(work, documents, amounts)))
    return places


def _read(found: Iterator[Document | Reject]) -> tuple[list[Document], list[Reject], bool]:
    """Read READ_CHARS or to the end of the split; the last value says whether that came first."""
    documents: list[Document] = []
    rejects: list[Reject] = []
    n_chars = 0
    for item in found:
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        documents.append(item)
        n_chars += len(item.text)
        if n_chars >= READ_CHARS:
            return documents, rejects, False
    return documents, rejects, True


def _encode(work: SplitWork, documents: Sequence[Document], amounts: Amounts) -> list[Document]:
    """Encode an even choice of the documents and add what comes of all of them. Returns those that were chosen."""
    amounts.chars = sum(len(document.text) for document in documents)
    step = max(1, min(int(amounts.chars) // ENCODE_CHARS, len(documents)))
    chosen = [replace(document, text=document.text[:ENCODE_CHARS]) for document in documents[step // 2 :: step]]
    if not chosen:
        return []
    made = work.encode(chosen, [])
    n_bytes = record_batch([made], shard_schema(work.parts.encoder.vocabulary.size)).nbytes
    by_length = amounts.chars / sum(len(document.text) for document in chosen)
    amounts.add(Amounts(tokens=len(made.ids), unknown=made.counts.unknown_tokens, bytes=n_bytes), by_length)
    dropped = Counter(reject.reason for reject in made.rejects)
    amounts.add(Amounts(documents=len(made.names), dropped=dropped), len(documents) / len(chosen))
    return chosen


def _seconds_a_char(work: SplitWork, documents: Sequence[Document]) -> float:
    """Measure the encoder in batches as large as a build's, all that it needs having been loaded."""
    since = time.process_time()
    for batch, _ in document_batches(iter(documents)):
        record_batch([work.encode(batch, [])], shard_schema(work.parts.encoder.vocabulary.size))
    n_chars = sum(len(document.text) for document in documents)
    return (time.process_time() - since) / max(n_chars, 1)


def _makespan(jobs: Sequence[Job], seconds: float, n_workers: int) -> float:
    """Return when the last worker is done where each takes the next job as soon as it is free."""
    n_bytes = sum(job.split.n_bytes for job in jobs)
    ends = [0.0] * n_workers
    for job in jobs:
        heapq.heapreplace(ends, ends[0] + seconds * job.split.n_bytes / n_bytes)
    return max(ends)
