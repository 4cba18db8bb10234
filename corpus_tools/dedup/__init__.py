"""Find exact and near duplicates in a whole corpus, and write a list of what to drop."""

from __future__ import annotations

from corpus_tools.dedup.find import DedupSettings, Duplicates, find_duplicates

__all__ = ["DedupSettings", "Duplicates", "find_duplicates"]
