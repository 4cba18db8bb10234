"""Documents by the batch: so many at once that compiled code pays, so few that memory stays small."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from corpus_tools.schema import Document
from corpus_tools.text.read import Reject

BATCH_CHARS: Final = 1 << 18
BATCH_DOCUMENTS: Final = 512
"""A batch ends at either bound. Between two batches a worker can be stopped."""


def document_batches(found: Iterator[Document | Reject]) -> Iterator[tuple[list[Document], list[Reject]]]:
    """Gather what `read_split` yields; the last batch may be empty."""
    documents: list[Document] = []
    rejects: list[Reject] = []
    characters = 0
    for item in found:
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            documents.append(item)
            characters += len(item.text)
        if characters >= BATCH_CHARS or len(documents) + len(rejects) >= BATCH_DOCUMENTS:
            yield documents, rejects
            documents, rejects, characters = [], [], 0
    yield documents, rejects
