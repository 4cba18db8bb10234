"""Between documents one by one, as tests like them, and the columns of a batch."""

from __future__ import annotations

import numpy as np

from corpus_tools.encode.encoder import Encoded
from corpus_tools.schema import NO_SPANS, EncodedDocument


def documents_of(made):
    """The rows of a batch as documents."""
    rows = zip(made.names, made.sources, range(len(made.names)), strict=True)
    return [
        EncodedDocument(
            name,
            source,
            made.ids[made.bounds[row] : made.bounds[row + 1]],
            made.flags[made.bounds[row] : made.bounds[row + 1]],
            made.spans[made.span_bounds[row] : made.span_bounds[row + 1]],
        )
        for name, source, row in rows
    ]


def of_documents(documents, rejects=(), counts=None):
    """Documents as the rows of a batch."""
    made = Encoded(
        names=[document.id for document in documents],
        sources=[document.source for document in documents],
        ids=np.concatenate([document.ids for document in documents] or [np.zeros(0, np.uint16)]),
        flags=np.concatenate([document.flags for document in documents] or [np.zeros(0, np.uint8)]),
        bounds=np.cumsum([0, *(len(document.ids) for document in documents)]),
        spans=np.concatenate([document.spans for document in documents] or [NO_SPANS]),
        span_bounds=np.cumsum([0, *(len(document.spans) for document in documents)]),
        rejects=list(rejects),
    )
    return made if counts is None else _with(made, counts)


def _with(made, counts):
    made.counts = counts
    return made
