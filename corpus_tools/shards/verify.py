"""Check a shard folder in full: every byte against its hash, every flag against the rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from corpus_tools.errors import DataError
from corpus_tools.schema import (
    ENTITY,
    IN_ENTITY,
    IN_PHRASE,
    PARAGRAPH,
    PHRASE,
    SENTENCE,
    SPECIAL,
    WORD,
    EncodedDocument,
)
from corpus_tools.shards.manifest import load_manifest
from corpus_tools.shards.read import ShardReader, check_size, open_shards
from corpus_tools.storage import sha256_file

MAX_PROBLEMS: Final = 100
FIRST_TOKEN: Final = WORD | SENTENCE | PARAGRAPH


@dataclass(slots=True)
class Verdict:
    """What `verify` found."""

    documents: int = 0
    tokens: int = 0
    shards: int = 0
    problems: list[str] = field(default_factory=list)
    """At most MAX_PROBLEMS; none means the folder is sound."""

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as one JSON object."""
        counted = {"documents": self.documents, "tokens": self.tokens, "shards": self.shards}
        return {"sound": not self.problems, **counted, "problems": self.problems}


def verify(folder: Path | str) -> Verdict:
    """Recompute hashes and counts, and check the marks of every document.

    Raises:
        MissingInputError, DataError: the folder cannot be opened as shards at all.
    """
    manifest = load_manifest(folder)
    problems = []
    for shard in manifest.shards:
        path = Path(folder) / shard.file
        try:
            check_size(path, shard.bytes)
        except DataError as error:
            problems.append(str(error))
            continue
        if sha256_file(path) != shard.sha256:
            problems.append(f"{path}: its bytes are not those the manifest has the hash of")
    if problems:
        # What lies in damaged files is not worth describing.
        return Verdict(shards=len(manifest.shards), problems=problems[:MAX_PROBLEMS])
    return _check_documents(open_shards(folder))


def _check_documents(reader: ShardReader) -> Verdict:
    verdict = Verdict(documents=len(reader), tokens=int(reader.lengths.sum()), shards=len(reader.manifest.shards))
    accounting, counters = reader.manifest.accounting, reader.manifest.counters
    if not accounting.balances() or accounting.documents_out != len(reader):
        verdict.problems.append(f"manifest: the accounting {accounting} does not add up to {len(reader)} documents")
    if counters.get("tokens") != verdict.tokens or reader.manifest.tokens != verdict.tokens:
        verdict.problems.append(f"manifest: tokens are not the {verdict.tokens:,} of the shards")
    marks = [kind["mark"] for kind in reader.kinds]
    for number, document in enumerate(reader.iterate()):
        for problem in problems_of(document, reader.vocabulary.size, marks):
            verdict.problems.append(f"document {number} ({document.id}): {problem}")
            if len(verdict.problems) >= MAX_PROBLEMS:
                return verdict
    return verdict


def problems_of(document: EncodedDocument, vocabulary_size: int, marks: list[str]) -> Iterator[str]:
    """Yield what is wrong with one document. `marks`: "entity" or "phrase" by kind number."""
    flags, spans = document.flags, document.spans
    if not len(document.ids):
        yield "has no token"
        return
    if int(document.ids.max()) >= vocabulary_size:
        yield f"has id {int(document.ids.max())}, the vocabulary has {vocabulary_size} entries"
    if (flags & SPECIAL).any():
        yield "has the bit of special tokens (128), which never stands in a shard"
    if (flags[0] & FIRST_TOKEN) != FIRST_TOKEN:
        yield "its first token does not start a word, a sentence and a paragraph"
    if len(spans) and (int(spans["kind"].max()) >= len(marks) or int(spans["end"].max()) > len(flags)):
        yield "has a span of an unknown kind or past its end"
        return
    is_entity = np.array([mark == "entity" for mark in marks], np.bool_)[spans["kind"]]
    for name, chosen, start_bit, inside_bit in (
        ("entity", is_entity, ENTITY, IN_ENTITY),
        ("phrase", ~is_entity, PHRASE, IN_PHRASE),
    ):
        expected = np.zeros_like(flags)
        for span in spans[chosen]:
            expected[span["start"] : span["end"]] |= inside_bit
            expected[span["start"]] |= start_bit
        if not np.array_equal(flags & (start_bit | inside_bit), expected):
            yield f"its {name} flags and its {name} spans disagree"
