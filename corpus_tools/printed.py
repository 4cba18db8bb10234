"""Tables for a person at a terminal: names, numbers, and all that is known of a shard folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from corpus_tools.commonest import Commonest, Ranked
from corpus_tools.markup import clip, visible
from corpus_tools.report import number
from corpus_tools.shards.manifest import Manifest
from corpus_tools.summary import Kind, headline, histograms, kinds_of, share, unknown_characters

MOST_LISTED: Final = 20
"""Lines of a list."""
MOST_TEXT: Final = 40
"""Characters of a word or a name."""


def print_json(value: dict[str, Any]) -> None:
    """Print one JSON object in a line, for a program."""
    print(json.dumps(value, ensure_ascii=False))


def print_rows(rows: Sequence[tuple[str, int | str]]) -> None:
    """Print names and what belongs to each."""
    print_table([(name, number(value) if isinstance(value, int) else value) for name, value in rows])


def print_table(rows: Sequence[Sequence[str]], justify: Literal["left", "right"] = "left") -> None:
    """Print columns as wide as what is in them (a Chinese character is two wide), all but the first justified so."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for _ in rows[0][1:] if rows else ():
        table.add_column(justify=justify, overflow="fold")
    for row in rows:
        # As Text, for a name with brackets would be markup.
        table.add_row(*(Text(visible(cell)) for cell in row))
    Console(highlight=False).print(table)


def print_headline(manifest: Manifest) -> None:
    """Print the main numbers of a folder and its commonest kinds."""
    print_table([(name, number(value), note) for name, value, note in headline(manifest)], justify="right")
    if kinds := kinds_of(manifest):
        print("\nentities and phrases")
        print_table([_kind_row(kind, manifest.tokens) for kind in kinds[:MOST_LISTED]], justify="right")
        if len(kinds) > MOST_LISTED:
            print(f"... and {len(kinds) - MOST_LISTED} more kinds")


def _kind_row(kind: Kind, n_tokens: int) -> tuple[str, ...]:
    name = f"{clip(kind.name, MOST_TEXT)} ({kind.mark})"
    return name, number(kind.spans), f"{share(kind.tokens, n_tokens)} of tokens"


def print_stats(manifest: Manifest, sample: Commonest) -> None:
    """Print all that is known of a folder."""
    print_headline(manifest)
    for found in histograms(manifest):
        whole = sum(count for *_, count in found.bins)
        print(f"\n{found.title}")
        print_table([(full, number(count), share(count, whole)) for _, full, count in found.bins], justify="right")
    if unknown := unknown_characters(manifest):
        print(f"\ncommonest of {len(unknown):,} characters without a token")
        _print_ranked(unknown[:MOST_LISTED])
    print(f"\ncommonest words in a sample of {sample.documents:,} documents")
    _print_ranked(sample.words)


def _print_ranked(found: Ranked) -> None:
    print("  ".join(f"{clip(visible(text), MOST_TEXT)} {count:,}" for text, count in found))
