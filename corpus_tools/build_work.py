"""One split to one shard: what a worker does, in whichever process and on whichever machine it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from corpus_tools.build_changes import Basis, difference
from corpus_tools.build_folder import key_of
from corpus_tools.build_settings import BuildSettings, EncodingParts, identity, make_encoder
from corpus_tools.encode.encoder import Encoded
from corpus_tools.errors import DataError
from corpus_tools.schema import Document
from corpus_tools.shards.write import ShardRecord, write_shard
from corpus_tools.text.document_batches import document_batches
from corpus_tools.text.inputs import ReadSettings
from corpus_tools.text.read import Reject, read_split
from corpus_tools.text.splits import Split


@dataclass(frozen=True, slots=True)
class Job:
    """One split and the number of the shard it becomes."""

    number: int
    split: Split

    @property
    def name(self) -> str:
        """The split as messages name it."""
        return f"{self.split.file.path} (bytes {self.split.start:,} to {self.split.end:,})"


class Batched(Protocol):
    def __call__(self, documents: int, tokens: int, n_bytes: int) -> None:
        """Take note of a batch and of the bytes read for it; raises StoppedError where the user asked to stop."""


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """All that a worker has to know of a build. It is sent to each."""

    settings: BuildSettings
    folder: Path
    identity: dict[str, Any]
    """Of the build, as it was planned."""

    @property
    def key(self) -> str:
        """Names the build in the records of its shards."""
        return key_of(self.identity)

    def begin(self, batched: Batched) -> SplitWork:
        """Make the encoder in this process. Takes up to a second, or several where its tables are not kept yet.

        Raises:
            DataError: vocabulary, dictionaries, lists or versions are not those that the build was planned with.
            What `make_encoder` raises.
        """
        parts = make_encoder(self.settings)
        asked = self.settings.to_json()
        planned, found = {**self.identity, "inputs": []}, identity(self.settings, parts, [])
        if differs := difference(Basis(planned, asked), Basis(found, asked)):
            raise DataError(f"{differs}: this build began with others. Undo the change, or build into another --out")
        return self.work(parts, batched)

    def work(self, parts: EncodingParts, batched: Batched) -> SplitWork:
        """Return what does the jobs, by an encoder that is there already."""
        return SplitWork(parts, self.folder, self.key, self.settings.read, batched)


@dataclass(frozen=True, slots=True)
class SplitWork:
    """Turns splits into shards."""

    parts: EncodingParts
    folder: Path
    key: str
    read: ReadSettings
    batched: Batched

    def run(self, job: Job) -> ShardRecord:
        """Write the shard of a split.

        Raises:
            DataError, MissingInputError: the input cannot be read any more. DiskError; what `batched` raises.
        """
        n_entries = self.parts.encoder.vocabulary.size
        return write_shard(self.folder, job.number, self.key, n_entries, self._encode(job.split))

    def _encode(self, split: Split) -> Iterator[Encoded]:
        meter = ReadMeter(split.n_bytes)
        for documents, rejects in document_batches(self.documents(split)):
            made = self.encode(documents, rejects)
            yield made
            self.batched(made.counts.documents, made.counts.tokens, meter.more())
        self.batched(0, 0, meter.rest())

    def documents(self, split: Split) -> Iterator[Document | Reject]:
        """Read a split, and make its documents what is to be encoded."""
        found = read_split(split, self.read)
        for stage in self.parts.stages:
            found = stage(found)
        return found

    def encode(self, documents: list[Document], rejects: list[Reject]) -> Encoded:
        """Encode a batch of what was read."""
        made = self.parts.encoder.encode(documents)
        made.rejects = rejects + made.rejects
        return made


class ReadMeter:
    """How much of `n_bytes` this process has read since, packed or not, as the kernel counts it."""

    def __init__(self, n_bytes: int) -> None:
        self._left = n_bytes
        self._at = _bytes_read()

    def more(self) -> int:
        """Return the bytes since the last call."""
        now = _bytes_read()
        more = min(now - self._at, self._left)
        self._at = now
        self._left -= more
        return more

    def rest(self) -> int:
        """Return what is left: the end has been reached."""
        rest, self._left = self._left, 0
        return rest


def _bytes_read() -> int:
    """Return what this process has read from files; always 0 on a system that does not say."""
    try:
        return int(Path("/proc/self/io").read_bytes().split(maxsplit=2)[1])  # "rchar: N"
    except OSError:
        return 0
