"""The verbs of `corpus-tools`: their options, and what they do. To import them loads nothing heavy: --help is quick."""

from __future__ import annotations

from typing import Final

from corpus_tools.commands.build import add_build, add_merge
from corpus_tools.commands.export import add_export
from corpus_tools.commands.lists import add_dedup, add_phrases
from corpus_tools.commands.look import add_audit, add_preview, add_stats, add_verify
from corpus_tools.commands.segment import add_segment
from corpus_tools.commands.vocab import add_vocab

__all__ = ["VERBS"]

VERBS: Final = (
    add_vocab,
    add_build,
    add_merge,
    add_preview,
    add_audit,
    add_stats,
    add_verify,
    add_export,
    add_dedup,
    add_phrases,
    add_segment,
)
"""In the order of the help screen. Each adds a verb whose `func` takes the arguments and returns the exit code."""
