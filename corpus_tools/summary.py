"""What a shard folder amounts to, in numbers: for the end of a build, for `stats`, and for the folder's own page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from corpus_tools.encode.counts import Counts
from corpus_tools.schema import WORD
from corpus_tools.shards.manifest import Manifest
from corpus_tools.shards.read import ShardReader

REASONS: Final = {
    "inside_run": "match inside a Latin or digit run",
    "inside_token": "match with an edge inside a token",
    "no_token": "match without a token",
}
"""Rejected matches by reason, in words."""

LENGTH_EDGES: Final = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
"""Histogram of document lengths: upper bounds in tokens, included."""
LONGEST_WORD: Final = 10
"""Words of more tokens are counted together."""

Row = tuple[str, int, str]
"""A name, its number, and what it amounts to."""


def headline(manifest: Manifest) -> list[Row]:
    """Return the main numbers of a folder: documents, tokens, words, and how well it went."""
    counts, accounting = Counts.from_json(manifest.counters), manifest.accounting
    unknown = f"{share(counts.unknown_tokens, counts.tokens)} of tokens"
    straddling = f"{share(counts.straddling_tokens, counts.tokens)} of tokens"
    return [
        ("documents read", accounting.documents_in, ""),
        ("documents kept", accounting.documents_out, ""),
        *((f"dropped: {reason}", n, "") for reason, n in sorted(accounting.dropped.items())),
        ("characters", counts.characters, ""),
        ("tokens", counts.tokens, f"{counts.tokens / max(counts.words, 1):.2f} a word"),
        ("words", counts.words, ""),
        ("sentences", counts.sentences, ""),
        ("[UNK]", counts.unknown_tokens, unknown),
        ("tokens across two words", counts.straddling_tokens, straddling),
        *((REASONS.get(reason, reason), n, "not marked") for reason, n in sorted(counts.rejected.items())),
        ("long runs cut", counts.long_runs_cut, ""),
        ("shards", len(manifest.shards), ""),
        ("bytes", manifest.bytes, f"{manifest.bytes / max(manifest.tokens, 1):.2f} bytes a token"),
    ]


def kind_rows(manifest: Manifest) -> list[tuple[str, str, int]]:
    """Return (mark, kind, count) of every kind, the commonest of a mark first; those never found too."""
    counts = Counts.from_json(manifest.counters)
    by_mark = {"entity": counts.entities, "phrase": counts.phrases}
    rows = [(kind["mark"], kind["name"], by_mark[kind["mark"]][kind["name"]]) for kind in manifest.kinds]
    return sorted(rows, key=lambda row: (row[0], -row[2], row[1]))


def share(part: int, whole: int) -> str:
    """Write a share in per cent."""
    return f"{100 * part / whole:.2f} %" if whole else "none"


@dataclass(frozen=True, slots=True)
class Distributions:
    """What only the shards themselves know."""

    documents_by_length: list[int]
    """Up to each of LENGTH_EDGES tokens, then above. Sums to the documents."""
    words_by_length: list[int]
    """Words of 1, 2, ... tokens; the last counts those of LONGEST_WORD or more."""
    words_per_document: dict[str, float]
    """mean, median, and the 10th and 90th percentile."""


def distributions(reader: ShardReader) -> Distributions:
    """Go through all documents and count lengths.

    Works document by document, so memory is that of two numbers a document.
    """
    by_length = np.bincount(np.searchsorted(LENGTH_EDGES, reader.lengths), minlength=len(LENGTH_EDGES) + 1)
    of_words = np.zeros(LONGEST_WORD + 1, np.int64)
    n_words = np.zeros(len(reader), np.int64)
    for number in range(len(reader)):
        lengths = word_lengths(reader.flags(number))
        n_words[number] = len(lengths)
        of_words += np.bincount(np.minimum(lengths, LONGEST_WORD), minlength=LONGEST_WORD + 1)
    low, middle, high = np.percentile(n_words, (10, 50, 90)).tolist() if len(reader) else (0.0, 0.0, 0.0)
    mean = float(n_words.mean()) if len(reader) else 0.0
    return Distributions(
        documents_by_length=by_length.tolist(),
        words_by_length=of_words[1:].tolist(),
        words_per_document={"mean": mean, "median": middle, "p10": low, "p90": high},
    )


def word_lengths(flags: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the tokens of each word of a document. [words]"""
    starts = np.flatnonzero(flags & WORD)
    return np.diff(np.append(starts, len(flags)))


def length_labels() -> list[str]:
    """Name the bins of `documents_by_length`."""
    lower = (1, *(edge + 1 for edge in LENGTH_EDGES))
    return [f"{first:,} to {last:,}" for first, last in zip(lower, LENGTH_EDGES, strict=False)] + [
        f"{lower[-1]:,} or more"
    ]


def word_label(n: int) -> str:
    """Name a bin of `words_by_length`: words of `n` tokens."""
    return f"{n} token{'s' if n > 1 else ''}{' or more' if n == LONGEST_WORD else ''}"


def to_json(reader: ShardReader, found: Distributions) -> dict[str, Any]:
    """Return everything `stats` prints as one JSON object."""
    manifest = reader.manifest
    return {
        "documents": manifest.documents,
        "tokens": manifest.tokens,
        "bytes": manifest.bytes,
        "bytes_per_token": manifest.bytes / max(manifest.tokens, 1),
        "shards": len(manifest.shards),
        "vocabulary": manifest.vocabulary,
        "fingerprint": manifest.fingerprint,
        "unknown_share": manifest.counters["unknown_tokens"] / max(manifest.tokens, 1),
        "documents_in": manifest.accounting.documents_in,
        "dropped": manifest.accounting.dropped,
        "counters": manifest.counters,
        "documents_by_length": dict(zip(length_labels(), found.documents_by_length, strict=True)),
        "words_by_length": found.words_by_length,
        "words_per_document": found.words_per_document,
    }
