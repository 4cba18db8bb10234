"""The manifest of a small folder that nobody built."""

from __future__ import annotations

from corpus_tools.shards.manifest import Accounting, Manifest, ShardEntry

KINDS = [("ns", "entity"), ("idiom", "phrase"), ("nt", "entity"), ("ns", "phrase")]


def manifest_of(**counters):
    """Make a manifest with these counters beside some of its own."""
    return Manifest(
        tool_version="0",
        settings={},
        identity={},
        vocabulary={"fingerprint": "0", "size": 9},
        kinds=[{"name": name, "mark": mark} for name, mark in KINDS],
        shards=[ShardEntry("shard-00000.arrow", 3, 100, 300, "0")],
        accounting=Accounting(4, 3, {"empty": 1}),
        counters={"documents": 3, "tokens": 100, "words": 60, "sentences": 10, **counters},
    )
