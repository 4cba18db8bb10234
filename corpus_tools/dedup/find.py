"""Find the duplicates of a corpus in two passes over it, and write the list of them.

The first pass keeps hashes on disk, 24 bytes a document and 8 a band. From these follow the exact duplicates and the
candidates for near ones. The second pass keeps the shingles of the candidates, 4 bytes a character and on disk too, so
similarities are those of the texts and no estimates; only whether a pair becomes a candidate is left to chance. Memory
holds some 60 bytes a document and no text.

Letters: N documents of the corpus, in the order of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from corpus_tools.corpus_settings import CorpusSettings
from corpus_tools.dedup.bands import Bands
from corpus_tools.dedup.clusters import cluster, in_company, similarity
from corpus_tools.dedup.passes import BY_PLACE, NAME, SHINGLES, Keep, Sign
from corpus_tools.dedup.shingles import Hashes
from corpus_tools.errors import SettingsError
from corpus_tools.pool import stop_on_signals
from corpus_tools.schema import Offsets
from corpus_tools.scratch import Scratch, scratch_beside, write_list
from corpus_tools.whole_corpus import CorpusReader, Progress, one_each


@dataclass(frozen=True, kw_only=True)
class DedupSettings(CorpusSettings):
    """All that `corpus-tools dedup` can be told. `out` is the list."""

    near: float = 0.8
    """Least Jaccard similarity of near duplicates; in (0, 1]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.near <= 1:
            raise SettingsError(f"near: {self.near:g} is no similarity above 0 and up to 1")


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What was found."""

    documents: int
    """Compared with each other."""
    exact: int
    """In the list because an earlier document has the same text."""
    near: int
    """In the list because an earlier document has a similar one."""
    unusable: int
    """Documents that were not compared, since `build` drops them too."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def find_duplicates(settings: DedupSettings, progress: Callable[[Progress], None] = lambda _: None) -> Duplicates:
    """Write the list of duplicates, in the order of the input: the first document of a cluster is not in it.

    With more than one worker the caller's main module is imported by each of them, so a script needs its
    `if __name__ == "__main__":`.

    Raises:
        StoppedError: a signal asked to stop; nothing is written.
        OutputError: the list exists. DiskError: the disk is full or refuses.
        SettingsError, MissingInputError, DataError: an input cannot be read.
    """
    shares = one_each(settings.splits())
    out, bands = Path(settings.out), Bands.for_similarity(settings.near)
    with scratch_beside(out) as scratch, stop_on_signals() as stop:
        reader = CorpusReader(settings, stop, progress)
        first = reader.go_over("pass 1 of 2", Sign(scratch, bands), shares)
        leaders = equal_leaders(scratch.joined("texts", np.zeros((2, 0), np.uint64)))
        originals = np.flatnonzero(leaders == np.arange(len(leaders)))
        agree = np.zeros(len(originals), np.bool_)
        for keys in _bands("candidates", scratch, bands, originals, reader):
            agree |= in_company(keys)
        candidates = originals[agree]
        _say_what_to_keep(scratch, leaders, candidates, first.results)
        reader.go_over("pass 2 of 2", Keep(scratch), shares)
        keys_by_band = _bands("comparing", scratch, bands, candidates, reader)
        found = _Found(scratch, leaders, candidates, keys_by_band, settings.near)
        write_list(out, found.lines())
    return Duplicates(first.documents, found.n_exact, found.n_near, first.unusable)


def equal_leaders(hashes: Hashes) -> Offsets:
    """Return the number of the first document with the same hash, for each document. hashes [2, N]; returns [N]"""
    order = np.lexsort(hashes)  # equal ones stay in order
    ordered = hashes[:, order]
    begins = np.concatenate((np.ones(min(1, len(order)), np.bool_), (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)))
    leaders = np.empty(len(order), np.int64)
    leaders[order] = order[begins][np.cumsum(begins) - 1]
    return leaders


def _bands(step: str, scratch: Scratch, bands: Bands, documents: Offsets, reader: CorpusReader) -> Iterator[Hashes]:
    """Yield the keys of some documents, band by band."""
    blocks = scratch.blocks("bands")
    for band in range(bands.count):
        reader.note(Progress(step, band, bands.count))
        yield np.concatenate([np.zeros(0, np.uint64), *(block[band] for block in blocks)])[documents]


def _say_what_to_keep(scratch: Scratch, leaders: Offsets, candidates: Offsets, lengths: Sequence[int]) -> None:
    """Tell the second pass what is wanted of each document. `lengths` has the documents of each share."""
    named = np.zeros(len(leaders), np.bool_)
    repeated = np.flatnonzero(leaders != np.arange(len(leaders)))
    named[repeated] = named[leaders[repeated]] = named[candidates] = True
    keep = np.zeros(len(leaders), np.uint8)
    keep[named] = NAME
    keep[named & in_company(scratch.joined("ids", np.zeros(0, np.uint64)))] |= BY_PLACE
    keep[candidates] |= SHINGLES
    for share, of_share in enumerate(np.split(keep, np.cumsum(lengths)[:-1])):
        scratch.save("keep", share, of_share)


class _Found:
    """Which documents repeat which."""

    def __init__(
        self, scratch: Scratch, leaders: Offsets, candidates: Offsets, bands: Iterator[Hashes], near: float
    ) -> None:
        keep = scratch.joined("keep", np.zeros(0, np.uint8))
        self._name_of = np.cumsum(keep & NAME > 0) - 1
        self._set_of = np.cumsum(keep & SHINGLES > 0) - 1
        self._names = scratch.rows("names", "name_lengths")
        self._sets = scratch.rows("sets", "set_lengths")
        self._leaders = leaders
        self._kept = leaders.copy()
        self._kept[candidates] = candidates[cluster(bands, self._sets, near)]
        self._kept = self._kept[leaders]
        self._dropped = np.flatnonzero(self._kept != np.arange(len(leaders)))
        self.n_exact = int(np.count_nonzero(self._kept[self._dropped] == leaders[self._dropped]))
        self.n_near = len(self._dropped) - self.n_exact

    def lines(self) -> Iterator[str]:
        """Yield what is dropped, in order: its id, the id of the document that is kept, "exact" or their similarity."""
        for number in self._dropped.tolist():
            kept = int(self._kept[number])
            yield f"{self._name(number)}\t{self._name(kept)}\t{self._likeness(int(self._leaders[number]), kept)}"

    def _likeness(self, leader: int, kept: int) -> str:
        if leader == kept:
            return "exact"
        return f"{similarity(self._sets, self._set_of[leader], self._set_of[kept]):.3f}"

    def _name(self, number: int) -> str:
        row = self._name_of[number]
        return self._names.values[self._names.bounds[row] : self._names.bounds[row + 1]].tobytes().decode()
