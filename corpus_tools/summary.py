"""What a shard folder amounts to, in numbers: for the end of a build, for `stats`, and for the folder's own page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from corpus_tools.commonest import Commonest
from corpus_tools.encode.counts import LONGEST_WORD, Counts
from corpus_tools.shards.manifest import Manifest
from corpus_tools.spans.given import UNDECLARED

REASONS: Final = {
    "inside_run": "match inside a Latin or digit run",
    "inside_token": "match with an edge inside a token",
    "no_token": "match without a token",
    "malformed_span": "given span that is no [start, end, kind]",
    "empty_span": "given span that is empty",
    "span_outside_text": "given span that leaves its text",
    "overlapping_span": "given span over another one",
    "unpaired_tag": "inline tag without its partner",
    "bad_tag": "tag that no scheme has",
    "repaired_tag": "tag that goes on with no span, so begins one",
    "no_prediction": "document without a line in --spans",
}
"""What was not marked, or not as it was given, in words."""

Row = tuple[str, int, str]
"""A name, its number, and what it amounts to."""


def headline(manifest: Manifest) -> list[Row]:
    """Return the main numbers of a folder: documents, tokens, words, and how well it went."""
    counts, accounting = Counts.from_json(manifest.counters), manifest.accounting
    unknown = f"{share(counts.unknown_tokens, counts.tokens)} of tokens"
    straddling = f"{share(counts.straddling_tokens, counts.tokens)} of tokens"
    entities, phrases = counts.entity_tokens.total(), counts.phrase_tokens.total()
    rejected = sorted(counts.rejected.items())
    return [
        ("documents read", accounting.documents_in, ""),
        ("documents kept", accounting.documents_out, ""),
        *((f"dropped: {reason}", n, "") for reason, n in sorted(accounting.dropped.items())),
        *(
            (f"characters cleaned: {step}", counts.cleaned_characters[step], f"documents: {n:,}")
            for step, n in sorted(counts.cleaned_documents.items())
        ),
        ("characters", counts.characters, ""),
        ("tokens", counts.tokens, f"{counts.tokens / max(counts.words, 1):.2f} a word"),
        ("words", counts.words, ""),
        ("sentences", counts.sentences, f"{counts.tokens / max(counts.sentences, 1):.1f} tokens each"),
        ("tokens in entities", entities, f"{share(entities, counts.tokens)} of tokens"),
        ("tokens in phrases", phrases, f"{share(phrases, counts.tokens)} of tokens"),
        ("[UNK]", counts.unknown_tokens, unknown),
        ("tokens across two words", counts.straddling_tokens, straddling),
        *((_in_words(reason), n, "" if reason == "repaired_tag" else "not marked") for reason, n in rejected),
        ("long runs cut", counts.long_runs_cut, ""),
        *([("characters simplified singly", counts.simplified_singly, "")] if counts.simplified_singly else []),
        *([("characters replaced", n, "where bytes were wrong")] if (n := counts.replaced_characters) else []),
        ("shards", len(manifest.shards), ""),
        ("bytes", manifest.bytes, f"{manifest.bytes / max(manifest.tokens, 1):.2f} bytes a token"),
    ]


def _in_words(reason: str) -> str:
    if reason.startswith(UNDECLARED):
        name = reason.removeprefix(UNDECLARED)
        return f"given span of the undeclared kind {name}" if name else "given span of another undeclared kind"
    return REASONS.get(reason, reason)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entities or phrases and how much of it there is."""

    number: int
    """In the spans of the shards."""
    name: str
    mark: str
    """"entity" or "phrase"."""
    spans: int
    tokens: int
    """In those spans."""


def kinds_of(manifest: Manifest) -> list[Kind]:
    """Return every kind, entities first and the commonest of a mark first; those never found too."""
    counts = Counts.from_json(manifest.counters)
    by_mark = {"entity": (counts.entities, counts.entity_tokens), "phrase": (counts.phrases, counts.phrase_tokens)}
    found = []
    for number, kind in enumerate(manifest.kinds):
        spans, tokens = by_mark[kind["mark"]]
        found.append(Kind(number, kind["name"], kind["mark"], spans[kind["name"]], tokens[kind["name"]]))
    return sorted(found, key=lambda kind: (kind.mark, -kind.spans, kind.number))


def unknown_characters(manifest: Manifest) -> list[tuple[str, int]]:
    """Return the characters without a token and how often each made an [UNK], the commonest first."""
    found = Counts.from_json(manifest.counters).unknown_characters
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many of something are how long."""

    title: str
    bins: list[tuple[str, str, int]]
    """What falls into a bin, in short and in full, and how many did; from short to long, without a gap."""


def histograms(manifest: Manifest) -> list[Histogram]:
    """Return the lengths of documents, sentences and words."""
    counts = Counts.from_json(manifest.counters)
    return [
        Histogram("documents by tokens", _octaves(counts.documents_by_tokens)),
        Histogram("sentences by tokens", _octaves(counts.sentences_by_tokens)),
        Histogram("words by characters", _numbers(counts.words_by_characters)),
        Histogram("words by tokens", _numbers(counts.words_by_tokens)),
    ]


def _octaves(found: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """Name bins by the powers of two that they reach up to: "16" and "9 to 16"."""
    edges = [int(edge) for edge in found]
    bins = []
    edge = min(edges, default=1)
    while edge <= max(edges, default=0):
        first = edge // 2 + 1
        full = f"{first:,} to {edge:,}" if first < edge else f"{edge}"
        bins.append((_in_short(edge), full, found.get(str(edge), 0)))
        edge *= 2
    return bins


def _in_short(number: int) -> str:
    """Write a power of two for the foot of a narrow bar: 65,536 is 66k."""
    if number >= 1_000_000:
        return f"{number / 1_000_000:.0f}M"
    return f"{number / 1000:.0f}k" if number >= 10_000 else str(number)


def _numbers(found: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """Name bins by their number; the last holds what is longer too."""
    bins = [(str(n), str(n), found.get(str(n), 0)) for n in range(1, LONGEST_WORD)]
    longer = (f"{LONGEST_WORD}+", f"{LONGEST_WORD} or more", found.get(str(LONGEST_WORD), 0))
    return [*bins, longer] if found else []


def share(part: int, whole: int) -> str:
    """Write a share in per cent."""
    return f"{100 * part / whole:.2f}\N{NO-BREAK SPACE}%" if whole else "none"


def to_json(manifest: Manifest, sample: Commonest) -> dict[str, Any]:
    """Return everything that is known of a folder as one JSON object."""
    counts = Counts.from_json(manifest.counters)
    n_tokens = max(manifest.tokens, 1)
    return {
        "documents": manifest.documents,
        "tokens": manifest.tokens,
        "bytes": manifest.bytes,
        "bytes_per_token": manifest.bytes / n_tokens,
        "shards": len(manifest.shards),
        "vocabulary": manifest.vocabulary,
        "fingerprint": manifest.fingerprint,
        "unknown_share": counts.unknown_tokens / n_tokens,
        "entity_share": counts.entity_tokens.total() / n_tokens,
        "phrase_share": counts.phrase_tokens.total() / n_tokens,
        "documents_in": manifest.accounting.documents_in,
        "dropped": manifest.accounting.dropped,
        "counters": counts.to_json(),
        "kinds": [asdict(kind) | {"commonest": sample.of_kinds[kind.number]} for kind in kinds_of(manifest)],
        "commonest_words": sample.words,
        "sampled_documents": sample.documents,
    }
