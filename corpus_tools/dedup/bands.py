"""Which documents may be near duplicates: those that agree in a band of their MinHash signatures.

A signature has N_MINIMA numbers, each of which two documents share with the probability of their Jaccard similarity s.
It is cut into b bands of r numbers; two documents agree in one of them with probability 1 - (1 - s^r)^b. Bands
are as wide as they can be with pairs at the wanted similarity still found nearly always.

Signatures are Rensa's. Nothing but the choice of candidates hangs on them: they are compared exactly afterwards.

Source: A. Broder 1997, "On the resemblance and containment of documents"; Indyk and Motwani 1998 for the bands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from rensa import RMinHash

from corpus_tools.dedup.shingles import Hashes
from corpus_tools.draw import states_of
from corpus_tools.schema import Offsets

N_MINIMA: Final = 256
SURE: Final = 0.995
"""The least probability with which a pair at the wanted similarity becomes a candidate."""
SEED: Final = 1
"""Of the signatures; another would choose other candidates among those that are left to chance."""


@dataclass(frozen=True, slots=True)
class Bands:
    """How signatures are cut."""

    count: int
    rows: int
    """Numbers in each band. Those that are left over at the end are not used."""

    @classmethod
    def for_similarity(cls, near: float) -> Bands:
        """Take the widest bands that find pairs of similarity `near` with probability SURE. near in (0, 1]."""
        shapes = (cls(N_MINIMA // rows, rows) for rows in range(N_MINIMA, 0, -1))
        return next((shape for shape in shapes if shape.found(near) >= SURE), cls(N_MINIMA, 1))

    def found(self, similarity: float) -> float:
        """Return the probability that a pair of this similarity becomes a candidate."""
        return 1 - float((1 - similarity**self.rows) ** self.count)

    def keys(self, shingles: Hashes, bounds: Offsets) -> Hashes:
        """Hash each band of each document's signature.

        Args:
            shingles: hashes of the shingles of all documents, end to end. [S]
            bounds: where those of each document begin, and S. [D + 1]

        Returns:
            [count, D]
        """
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(shingles, bounds, N_MINIMA, SEED)
        signatures = np.array(matrix.to_rows(), np.uint32).reshape(len(bounds) - 1, N_MINIMA)
        bands = (signatures[:, first : first + self.rows] for first in range(0, self.count * self.rows, self.rows))
        return np.stack([states_of(band) for band in bands])
