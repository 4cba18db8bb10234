"""Mine phrases: sequences of words that hold together and that stand among many different neighbours.

Three passes over the corpus. All numbers are exact, but for two sequences of one 64-bit hash. Memory does not hold the
corpus: the sieve takes up to 256 MiB a worker, and counts 16 bytes for each sequence that occurs often enough or passes
the sieve by accident, and for each neighbour of a phrase. By default a phrase occurs once in RARITY words, so no more
than RARITY of each length occur often enough however large the corpus is.

Source: mutual information at the weakest joint and the entropy of the neighbours are the measures of the literature on
new words. That neighbours at the edge of a part count as different each time is Feng et al. 2004, "Accessor variety
criteria for Chinese word extraction". The order of the list, by log2 count x PMI, is ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from corpus_tools.corpus_settings import SegmentedSettings
from corpus_tools.errors import DataError, SettingsError
from corpus_tools.phrases.passes import CountHeld, FillSieve, LookAround, Reading, neighbour_bits
from corpus_tools.phrases.sieve import add_cells, no_cells
from corpus_tools.phrases.tally import Counted
from corpus_tools.pool import stop_on_signals
from corpus_tools.scratch import Scratch, scratch_beside, write_list
from corpus_tools.whole_corpus import CorpusReader, Progress, shared_out

RARITY: Final = 2_000_000
FEWEST: Final = 10
"""By default a phrase occurs once in RARITY words, and FEWEST times at least."""
MOST_WORDS: Final = 6


@dataclass(frozen=True, kw_only=True)
class PhraseSettings(SegmentedSettings):
    """All that `corpus-tools phrases` can be told. `out` is the list."""

    min_count: int | None = None
    """Times that a phrase occurs at least, 2 or more; None for one in RARITY words."""
    min_pmi: float = 7.0
    """Least pointwise mutual information at the weakest joint, in bits."""
    min_entropy: float = 2.0
    """Least entropy of the neighbours on either side, in bits."""
    max_words: int = 4
    """Words of a phrase at most; 2 to MOST_WORDS."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_count is not None and self.min_count < 2:
            raise SettingsError(f"min_count: {self.min_count} is below 2")
        if not 2 <= self.max_words <= MOST_WORDS:
            raise SettingsError(f"max_words: {self.max_words} is not between 2 and {MOST_WORDS}")

    def load(self) -> None:
        """Load dictionaries and lists once: what is wrong with them is told before any worker starts.

        Raises:
            SettingsError, MissingInputError, DataError: one of them cannot be used.
        """
        self.drop_list()
        self.make_segmenter()
        self.make_simplifier()


@dataclass(frozen=True, slots=True)
class Phrase:
    """A line of the list."""

    text: str
    count: int
    pmi: float
    left: float
    """Entropy of the words before it, in bits."""
    right: float
    """Entropy of the words behind it, in bits."""

    @property
    def score(self) -> float:
        """What the list is ordered by: how close its words are, weighted by how often it occurs.

        Rounded, so that the last bit of a logarithm, which no two processors need agree on, decides nothing.
        """
        return round(math.log2(self.count) * self.pmi, 6)

    @property
    def line(self) -> str:
        """The columns of the list."""
        return f"{self.text}\t{self.count}\t{self.pmi:.2f}\t{self.left:.2f}\t{self.right:.2f}"


@dataclass(frozen=True, slots=True)
class Mined:
    """What was found."""

    documents: int
    words: int
    """That phrases can be made of: of letters."""
    min_count: int
    phrases: int
    unusable: int
    """Documents that were not read, since `build` drops them too."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def mine_phrases(settings: PhraseSettings, progress: Callable[[Progress], None] = lambda _: None) -> Mined:
    """Write the list of phrases, the highest score first.

    With more than one worker the caller's main module is imported by each of them, so a script needs its
    `if __name__ == "__main__":`.

    Raises:
        StoppedError: a signal asked to stop; nothing is written.
        OutputError: the list exists. DiskError: the disk is full or refuses.
        SettingsError, MissingInputError: an input, a dictionary or a list is not there.
        DataError: one of them cannot be read, or there is no phrase in the corpus.
    """
    splits = settings.splits()
    settings.load()
    shares, n_bytes = shared_out(splits, settings.n_workers), sum(split.n_bytes for split in splits)
    with scratch_beside(Path(settings.out)) as scratch, stop_on_signals() as stop:
        reader = CorpusReader(settings, stop, progress)
        reading = Reading(scratch, settings, settings.max_words)
        next(reading.words(iter([[]])))  # compiles what finds words, else every worker would do so for itself
        first = reader.go_over("pass 1 of 3", FillSieve(reading, n_bytes), shares)
        n_words = sum(first.results)
        least = settings.min_count or max(FEWEST, n_words // RARITY)
        _join_sieves(scratch, n_bytes)
        reader.go_over("pass 2 of 3", CountHeld(reading, least), shares)
        table = _joined(scratch, "keys", "counts").at_least(least)
        scratch.save("often", 0, table.keys)
        scratch.save("often_counts", 0, table.counts)
        third = reader.go_over("pass 3 of 3", LookAround(reading, least, n_words, settings.min_pmi), shares)
        entropies = neighbour_entropies(_joined(scratch, "pairs", "pair_counts"), table)
        texts = {number: found for result in third.results for number, found in result.items()}
        phrases = _chosen(texts, table, entropies, settings.min_entropy)
        if not phrases:
            raise DataError(
                f"phrases: no sequence of words occurs {least} times with a PMI of {settings.min_pmi:g} and an entropy "
                f"of {settings.min_entropy:g} on both sides. Lower --min-count, --min-pmi or --min-entropy"
            )
        write_list(Path(settings.out), (phrase.line for phrase in phrases))
    return Mined(first.documents, n_words, least, len(phrases), first.unusable)


def _join_sieves(scratch: Scratch, n_bytes: int) -> None:
    cells = no_cells(n_bytes)
    for block in scratch.blocks("cells"):
        add_cells(cells, block)
    scratch.save("sieve", 0, cells)


def _joined(scratch: Scratch, keys: str, counts: str) -> Counted:
    return reduce(add, map(Counted, scratch.blocks(keys), scratch.blocks(counts)))


def neighbour_entropies(pairs: Counted, table: Counted) -> npt.NDArray[np.float64]:
    """Return the entropy of the neighbours of each sequence, in bits: on the left, on the right. [S, 2]

    Args:
        pairs: how often each neighbour stands beside each sequence, as `passes.beside` writes them.
        table: the sequences. Where a pair is missing there was the edge of a part: a neighbour like no other.
    """
    slots = (pairs.keys >> np.uint64(neighbour_bits(len(table.keys)))).astype(np.int64)
    sums = np.bincount(slots, pairs.counts * np.log2(pairs.counts), minlength=2 * len(table.keys))
    counts = table.counts[:, None]
    return np.log2(counts) - sums.reshape(-1, 2) / counts


def _chosen(
    texts: dict[int, tuple[str, float]], table: Counted, entropies: npt.NDArray[np.float64], least: float
) -> list[Phrase]:
    """Return the phrases in order. Of one text that is segmented in two ways the better one stays."""

    def found() -> Iterator[Phrase]:
        for number, (text, pmi) in texts.items():
            left, right = entropies[number].tolist()
            if min(left, right) >= least:
                yield Phrase(text, int(table.counts[number]), pmi, left, right)

    ordered = sorted(found(), key=lambda phrase: (-phrase.score, phrase.text))
    best: dict[str, Phrase] = {}
    for phrase in ordered:
        best.setdefault(phrase.text, phrase)
    return list(best.values())
