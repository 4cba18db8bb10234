"""The page of a shard folder: its numbers, its lengths, its kinds, what it lacks, and what it was made with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final
from unicodedata import combining, name

from corpus_tools.chart import bar_chart
from corpus_tools.commonest import Commonest, Ranked, commonest
from corpus_tools.markup import Html, clip, join, tag
from corpus_tools.report import Section, bar, bars, counted, long_table, page, save_page, table
from corpus_tools.shards.manifest import Manifest
from corpus_tools.shards.read import ShardReader
from corpus_tools.summary import headline, histograms, kinds_of, share, unknown_characters

MOST_TEXT: Final = 32
MOST_SETTING: Final = 1000
"""Characters that are shown of a word or a kind, and of a setting."""
MOST_UNKNOWN: Final = 200
"""Characters without a token that are listed."""

STYLE: Final = """
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 1.2rem 2rem; }
.charts figure { margin: 0; break-inside: avoid; }
.ranked { min-width: 15rem; }
.ranked span { unicode-bidi: isolate; display: inline-block; max-width: 100%; margin-right: .9em; }
.ranked small { color: var(--soft); margin-left: .3em; }
"""


def write_build_report(path: Path, reader: ShardReader) -> None:
    """Write `report.html` of a build.

    Raises:
        DiskError: it cannot be written.
    """
    save_page(path, corpus_page(reader))


def corpus_page(reader: ShardReader) -> str:
    """Write everything that is known of a shard folder as one page. The same shards give the same page."""
    manifest = reader.manifest
    amounts = {"document": manifest.documents, "token": manifest.tokens, "shard": len(manifest.shards)}
    lead = ", ".join(counted(n, noun) for noun, n in amounts.items())
    return page("Corpus", _sections(manifest, commonest(reader)), lead=lead, style=STYLE)


def _sections(manifest: Manifest, sample: Commonest) -> list[Section]:
    made_with = [
        (name, clip(json.dumps(value, ensure_ascii=False), MOST_SETTING)) for name, value in manifest.settings.items()
    ]
    return [
        Section("In numbers", [table(headline(manifest))]),
        _lengths(manifest),
        _kinds(manifest, sample),
        Section(f"Commonest words in a sample of {counted(sample.documents, 'document')}", [_ranked(sample.words)]),
        _unknown(manifest),
        _encodings(manifest),
        _dropped(manifest),
        Section("Made with", [table(made_with)]),
        _shards(manifest),
    ]


def _lengths(manifest: Manifest) -> Section:
    charts = [tag("figure", bar_chart(found.bins, x_label=found.title)) for found in histograms(manifest)]
    note = "Documents and sentences: longer than what the bar before counts, and up to the number under the bar."
    return Section("Lengths", [tag("div", *charts, class_="charts"), tag("p", note, class_="note")])


def _kinds(manifest: Manifest, sample: Commonest) -> Section:
    kinds = kinds_of(manifest)
    most = max((kind.tokens for kind in kinds), default=0)
    rows = [
        (
            clip(kind.name, MOST_TEXT),
            kind.mark,
            kind.spans,
            share(kind.tokens, manifest.tokens),
            bar(kind.tokens, most),
            _ranked(sample.of_kinds[kind.number]),
        )
        for kind in kinds
    ]
    sampled = f"commonest in a sample of {counted(sample.documents, 'document')}"
    head = ("kind", "mark", "found", "of tokens", "", sampled)
    return Section("Entities and phrases", [long_table(rows, head) if rows else "No list and no tag was given."])


def _ranked(found: Ranked) -> Html:
    """Write texts and their numbers, each shielded from the reading direction of its neighbours."""
    texts = [tag("span", clip(text, MOST_TEXT), tag("small", f"{count:,}")) for text, count in found]
    return tag("div", join(*texts, by=" "), class_="ranked", lang="zh")


def _unknown(manifest: Manifest) -> Section:
    found = unknown_characters(manifest)
    if not found:
        return Section("[UNK]", ["Every character has a token."])
    rows = [
        (
            f"\N{DOTTED CIRCLE}{character}" if combining(character) else character,
            f"U+{ord(character):04X}",
            name(character, ""),
            count,
        )
        for character, count in found[:MOST_UNKNOWN]
    ]
    said = f"{len(found):,} different characters have no token. Each makes the word that it stands in one [UNK]. "
    if len(found) > MOST_UNKNOWN:
        said += f"These are the commonest {MOST_UNKNOWN}; manifest.json has all. "
    advice = tag("p", said, tag("code", "corpus-tools vocab --extend"), " gives tokens to what is missing.")
    return Section("[UNK]", [advice, long_table(rows, ("character", "code point", "name", "found"))])


def _encodings(manifest: Manifest) -> Section:
    rows = [(encoding, count["files"], count["bytes"]) for encoding, count in manifest.encodings.items()]
    return Section("Encodings", [table(rows, ("encoding", "files", "bytes as stored"))])


def _dropped(manifest: Manifest) -> Section:
    accounting = manifest.accounting
    dropped = sorted(accounting.dropped.items(), key=lambda item: (-item[1], item[0]))
    return Section(
        "Dropped",
        [
            f"{accounting.documents_in:,} documents were read = {accounting.documents_out:,} kept + "
            f"{sum(accounting.dropped.values()):,} dropped. Each dropped one is a line of rejects.jsonl.",
            *([bars([(reason, float(count)) for reason, count in dropped])] if dropped else []),
        ],
    )


def _shards(manifest: Manifest) -> Section:
    rows = [(shard.file, shard.rows, shard.tokens, shard.bytes, shard.sha256[:16]) for shard in manifest.shards]
    return Section(
        "Shards",
        [
            long_table(rows, ("file", "documents", "tokens", "bytes", "SHA-256 begins")),
            f"Data fingerprint {manifest.fingerprint}. Vocabulary {manifest.vocabulary['fingerprint']} with "
            f"{manifest.vocabulary['size']:,} entries. corpus-tools {manifest.tool_version}.",
        ],
    )
