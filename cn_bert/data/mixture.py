"""Several shard folders as one list of documents, with weights, and the documents that are never trained on.

Letters: D documents of all folders together, numbered through in the order the folders are given; V entries of the
vocabulary.
"""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.draw import uniforms
from corpus_tools.errors import DataError, SettingsError
from corpus_tools.schema import MAX_KINDS, NO_SPANS, SENTENCE, Bools, Flags, Ids, Offsets, Spans
from corpus_tools.shards.read import ShardReader, open_shards

_WALKS: Final = int.from_bytes(b"walks")
_COUNTED_AT_ONCE: Final = 1 << 20


@dataclass(frozen=True)
class SentenceIndex:
    """Where the sentences of every document begin and end, in tokens."""

    first: Offsets
    """Where document d begins in `bounds`. [D + 1]"""
    bounds: npt.NDArray[np.uint32]
    """For each document the start of each sentence, then the document's length."""

    def of(self, document: int) -> npt.NDArray[np.uint32]:
        """Return the starts of a document's n sentences and its length. [n + 1], or [1] where it has no token."""
        return self.bounds[self.first[document] : self.first[document + 1]]


class Mixture:
    """The documents of several shard folders.

    Args:
        readers: the opened folders.
        weights: how often an epoch walks the documents of each folder, above 0; 2.5 walks each document twice and
            half of them, drawn anew every epoch, once more.
        held_out: share of the documents that are evaluated and never trained on, at least one; 0 holds none out.

    Raises:
        SettingsError: a weight or the share is out of range, or a folder stands twice.
        DataError: the vocabularies differ, or no document is left to train on.
    """

    def __init__(self, readers: Sequence[ShardReader], weights: Sequence[float], held_out: float = 0.005) -> None:
        _check(readers, weights, held_out)
        self.vocabulary = readers[0].vocabulary
        self.lengths: Offsets = np.concatenate([np.asarray(reader.lengths, np.int64) for reader in readers])
        """Tokens of each document. [D]"""
        self._readers = list(readers)
        self._first = np.cumsum([0, *(len(reader) for reader in readers)]).tolist()
        self._weights = np.repeat(np.asarray(weights, np.float64), [len(reader) for reader in readers])
        self.kinds, self._kind_maps = _join_kinds(readers)
        """What a span can be, of all folders together: `kind` of a span counts in this list."""
        apart = self._held_out(held_out)
        some = self.lengths > 0
        self.held_out_documents: Offsets = np.flatnonzero(apart & some)
        self.training_documents: Offsets = np.flatnonzero(~apart & some)
        if not self.training_documents.size:
            raise DataError(
                f"no document is left to train on: there are {len(self):,} and held_out takes "
                f"{self.held_out_documents.size:,}. Build from more text, or set held_out to 0."
            )
        self.fingerprint = _fingerprint(readers, weights, held_out)
        """Hash of all that decides which documents are trained on and how often."""

    def __len__(self) -> int:
        return int(self._first[-1])

    def _held_out(self, share: float) -> Bools:
        """Say which documents are held out: by their ids alone, so a copy of a held-out document is held out too."""
        if not share or not len(self):
            return np.zeros(len(self), np.bool_)
        ids = (reader.id(number) for reader in self._readers for number in range(len(reader)))
        hashes = np.fromiter((id_hash(name) for name in ids), np.uint64, len(self))
        apart: Bools = (hashes < np.uint64(math.ceil(share * 2**64))) | (hashes == hashes.min())
        return apart

    def _place(self, document: int) -> tuple[int, int]:
        source = bisect_right(self._first, document) - 1
        return source, document - self._first[source]

    def id(self, document: int) -> str:
        """Return a document's name."""
        source, number = self._place(document)
        return self._readers[source].id(number)

    def ids(self, document: int) -> Ids:
        """Return a document's token ids."""
        source, number = self._place(document)
        return self._readers[source].ids(number)

    def flags(self, document: int) -> Flags:
        """Return a document's flags."""
        source, number = self._place(document)
        return self._readers[source].flags(number)

    def spans(self, document: int) -> Spans:
        """Return a document's spans, their kinds numbered as in `kinds`."""
        source, number = self._place(document)
        spans, kinds = self._readers[source].spans(number), self._kind_maps[source]
        if kinds is None or not spans.size:
            return spans
        spans = spans.copy()
        spans["kind"] = kinds[spans["kind"]]
        return spans

    @cached_property
    def sentences(self) -> SentenceIndex:
        """Find the sentences of all documents in one pass over the flags."""
        bounds, first = array("I"), np.zeros(len(self) + 1, np.int64)
        for document in range(len(self)):
            flags = self.flags(document)
            starts = np.flatnonzero(flags & SENTENCE).astype(np.uint32)
            if flags.size and not (starts.size and starts[0] == 0):
                bounds.append(0)  # text before the first mark is a sentence too: nothing may fall out of the plan
            bounds.frombytes(starts.tobytes())
            bounds.append(flags.size)
            first[document + 1] = len(bounds)
        return SentenceIndex(first, np.frombuffer(bounds, np.uint32))

    def walks(self, seed: int, epoch: int) -> Offsets:
        """List the training documents an epoch walks, a document as often as its weight says. [number of walks]"""
        whole = np.floor(self._weights)
        times = whole + (uniforms((seed, epoch, _WALKS), len(self)) < self._weights - whole)
        return np.repeat(self.training_documents, times[self.training_documents].astype(np.int64))

    def unigram_counts(self) -> npt.NDArray[np.int64]:
        """Count each entry of the vocabulary in the documents that are trained on, each document once. [V]"""
        counts = np.zeros(self.vocabulary.size, np.int64)
        waiting: list[Ids] = []
        n_waiting = 0
        for document in self.training_documents.tolist():
            waiting.append(self.ids(document))
            n_waiting += waiting[-1].size
            if n_waiting >= _COUNTED_AT_ONCE:  # counting each short document costs V steps, mostly over zeros
                counts += np.bincount(np.concatenate(waiting), minlength=counts.size)
                waiting, n_waiting = [], 0
        if waiting:
            counts += np.bincount(np.concatenate(waiting), minlength=counts.size)
        return counts


def id_hash(name: str) -> int:
    """Return where a document's id falls in [0, 2**64): the first 8 bytes of its SHA-256."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


def open_mixture(sources: Sequence[tuple[str, float]], held_out: float = 0.005) -> Mixture:
    """Open shard folders as one mixture.

    Args:
        sources: path and weight of each folder.
        held_out: see `Mixture`.

    Raises:
        SettingsError, DataError: see `Mixture`; a folder is not a finished build.
        MissingInputError: a folder is not there.
    """
    return Mixture([open_shards(path) for path, _ in sources], [weight for _, weight in sources], held_out)


def cut_spans(spans: Spans, start: int, end: int) -> Spans:
    """Return the spans that reach into tokens [start, end), cut at its edges and counted from `start`."""
    if not spans.size:
        return NO_SPANS
    inside = spans[(spans["start"] < end) & (spans["end"] > start)]
    cut = np.empty(inside.size, inside.dtype)
    cut["start"] = np.maximum(inside["start"].astype(np.int64) - start, 0)
    cut["end"] = np.minimum(inside["end"].astype(np.int64), end) - start
    cut["kind"] = inside["kind"]
    return cut


def _check(readers: Sequence[ShardReader], weights: Sequence[float], held_out: float) -> None:
    if not readers:
        raise SettingsError("data: no shard folder is named. Give --data DIR, or `data: [{path: DIR}]` in the recipe.")
    if len(weights) != len(readers):
        raise ValueError(f"{len(readers)} readers and {len(weights)} weights")
    for number, (reader, weight) in enumerate(zip(readers, weights, strict=True)):
        if not 0 < weight < float("inf"):
            raise SettingsError(f"data.{number}.weight: {weight:g} is not above 0")
        if reader.vocabulary.fingerprint != readers[0].vocabulary.fingerprint:
            raise DataError(
                f"data.{number}: made with vocabulary {reader.vocabulary.fingerprint[:6]}, data.0 has "
                f"{readers[0].vocabulary.fingerprint[:6]}. Build the shards again with one vocabulary."
            )
        if reader.fingerprint in {other.fingerprint for other in readers[:number]}:
            raise SettingsError(f"data.{number}: these shards stand twice. Name them once and raise their weight.")
    if not 0 <= held_out < 1:
        raise SettingsError(f"held_out: {held_out:g} is not between 0 and 1")


def _join_kinds(readers: Sequence[ShardReader]) -> tuple[list[dict[str, str]], list[npt.NDArray[np.uint8] | None]]:
    """Number the kinds of all folders through; None stands for a folder whose numbers stay as they are."""
    joined: list[dict[str, str]] = []
    maps: list[npt.NDArray[np.uint8] | None] = []
    for reader in readers:
        joined += [kind for kind in reader.kinds if kind not in joined]
        if len(joined) > MAX_KINDS:
            raise DataError(f"the folders name {len(joined)} kinds of spans together, {MAX_KINDS} is the most")
        numbers = [joined.index(kind) for kind in reader.kinds]
        maps.append(None if numbers == list(range(len(numbers))) else np.array(numbers, np.uint8))
    return joined, maps


def _fingerprint(readers: Sequence[ShardReader], weights: Sequence[float], held_out: float) -> str:
    sources = [[reader.fingerprint, float(weight)] for reader, weight in zip(readers, weights, strict=True)]
    return hashlib.sha256(json.dumps([sources, float(held_out)]).encode()).hexdigest()
