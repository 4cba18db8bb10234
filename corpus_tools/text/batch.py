"""Some texts as one array of characters: what the compiled parts of the pipeline read, and where they leave marks.

Letters: C characters of all texts, D texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpus_tools.double_array import code_points
from corpus_tools.schema import Document, Offsets


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Texts end to end. A place in the batch is an index into `codes`."""

    texts: Sequence[str]
    codes: npt.NDArray[np.uint32]
    """Their code points. [C]"""
    bounds: Offsets
    """Where each text begins, and C. [D + 1]"""
    documents: Sequence[Document] = ()
    """What the texts are of; empty where they are just texts. [D]"""

    @classmethod
    def of(cls, texts: Sequence[str], documents: Sequence[Document] = ()) -> TextBatch:
        """Lay texts end to end."""
        bounds = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=bounds[1:])
        return cls(texts, code_points("".join(texts)), bounds, documents)
