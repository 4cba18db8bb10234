"""The two passes over a corpus: what tells which documents may be duplicates, and what of those has to be compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.dedup.bands import Bands
from corpus_tools.dedup.shingles import Hashes, compared, forms, shingle_hashes, text_hashes
from corpus_tools.drop_list import name_hash, written
from corpus_tools.errors import DataError
from corpus_tools.schema import Document, Offsets
from corpus_tools.scratch import Scratch
from corpus_tools.text.batch import TextBatch
from corpus_tools.whole_corpus import Share

# What of a document the second pass keeps, in bits.
NAME: Final = 1
SHINGLES: Final = 2
BY_PLACE: Final = 4
"""Its name is its place: another document has its id."""


@dataclass(frozen=True, slots=True)
class Sign:
    """The first pass: hashes of each text and of each id, and the keys of its bands. Returns how many there are."""

    scratch: Scratch
    bands: Bands

    def __call__(self, share: Share, batches: Iterator[list[Document]]) -> int:
        table, n_documents = forms(), 0
        with self.scratch.columns(share.number, "texts", "ids", "bands") as (texts, ids, bands):
            for documents in batches:
                batch = TextBatch.of([document.text for document in documents])
                found = compared(batch, table)
                texts.append(text_hashes(batch, found))
                ids.append(np.fromiter((name_hash(each.id) for each in documents), np.uint64, len(documents)))
                bands.append(self.bands.keys(*shingle_hashes(found)))
                n_documents += len(documents)
        return n_documents


@dataclass(frozen=True, slots=True)
class Keep:
    """The second pass: the names of all that may be in the list, and the shingles of the candidates."""

    scratch: Scratch

    def __call__(self, share: Share, batches: Iterator[list[Document]]) -> None:
        """Keep what `keep` says of each document.

        Raises:
            DataError: the share has other documents than in the first pass.
        """
        table = forms()
        [keep] = self.scratch.blocks("keep", share.number)
        with self.scratch.columns(share.number, "names", "name_lengths", "sets", "set_lengths") as columns:
            names, name_lengths, sets, set_lengths = columns
            at = 0
            for documents in batches:
                bits = keep[at : at + len(documents)].tolist()
                at += len(documents)
                if len(bits) < len(documents):
                    break
                called = [name_of(document, bit) for document, bit in zip(documents, bits, strict=True) if bit & NAME]
                names.append(np.frombuffer(b"".join(called), np.uint8))
                name_lengths.append(np.fromiter(map(len, called), np.int64, len(called)))
                texts = [document.text for document, bit in zip(documents, bits, strict=True) if bit & SHINGLES]
                made = shingle_sets(*shingle_hashes(compared(TextBatch.of(texts), table)))
                sets.append(np.concatenate([np.zeros(0, np.uint32), *made]))
                set_lengths.append(np.fromiter(map(len, made), np.int64, len(made)))
        if at != len(keep):
            raise DataError(f"{share.name}: has other documents than a moment ago. Run the command again")


def name_of(document: Document, bits: int) -> bytes:
    """Return what a document is called in the list."""
    return written(document.place if bits & BY_PLACE else document.id).encode()


def shingle_sets(hashes: Hashes, bounds: Offsets) -> list[npt.NDArray[np.uint32]]:
    """Return the shingles of each document as a sorted set of half hashes.

    Two of 1,000 are equal by accident once in 10,000 documents, and move the similarity by a thousandth.
    """
    halves = (hashes >> np.uint64(32)).astype(np.uint32)
    return [np.unique(halves[first:last]) for first, last in pairwise(bounds.tolist())]
