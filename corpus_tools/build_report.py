"""The page of a shard folder: the build's numbers, its kinds and what it was made with."""

from __future__ import annotations

import json
from pathlib import Path

from corpus_tools.report import Section, bars, page, save_page, table
from corpus_tools.shards.manifest import Manifest
from corpus_tools.summary import headline, kind_rows


def write_build_report(path: Path, manifest: Manifest) -> None:
    """Write `report.html` of a finished build.

    Raises:
        DiskError: it cannot be written.
    """
    accounting = manifest.accounting
    lead = f"{accounting.documents_out:,} documents, {manifest.tokens:,} tokens, {len(manifest.shards)} shards"
    save_page(path, page("Corpus", _sections(manifest), lead=lead))


def _sections(manifest: Manifest) -> list[Section]:
    accounting = manifest.accounting
    dropped = sorted(accounting.dropped.items(), key=lambda item: -item[1])
    kinds = [(f"{kind} ({mark})", float(count)) for mark, kind, count in kind_rows(manifest)]
    made_with = [(name, json.dumps(value, ensure_ascii=False)) for name, value in manifest.settings.items()]
    return [
        Section("In numbers", [table(headline(manifest))]),
        Section("Entities and phrases", [bars(kinds) if kinds else "No list and no tag was given."]),
        Section(
            "Dropped",
            [
                f"{accounting.documents_in:,} documents were read = {accounting.documents_out:,} kept + "
                f"{sum(accounting.dropped.values()):,} dropped. Each dropped one is a line of rejects.jsonl.",
                *([bars([(reason, float(count)) for reason, count in dropped])] if dropped else []),
            ],
        ),
        Section("Made with", [table(made_with)]),
        Section(
            "Shards",
            [
                table(
                    [(s.file, s.rows, s.tokens, s.bytes, s.sha256[:16]) for s in manifest.shards],
                    head=("file", "documents", "tokens", "bytes", "SHA-256 begins"),
                ),
                f"Data fingerprint {manifest.fingerprint}. Vocabulary {manifest.vocabulary['fingerprint']} with "
                f"{manifest.vocabulary['size']:,} entries. corpus-tools {manifest.tool_version}.",
            ],
        ),
    ]
