"""`preview`, `audit`, `stats` and `verify`: look at a shard folder and check it."""

from __future__ import annotations

import argparse
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from corpus_tools.commands.options import Verbs, add_json, add_verb
from corpus_tools.errors import DataError


def add_preview(verbs: Verbs) -> None:
    """Add `preview`."""
    parser = add_verb(
        verbs,
        "preview",
        "show sequences with words, phrases, entities and drawn masks in colour",
        "corpus-tools preview shards --masking wwm,entity --n 3 --html preview.html",
    )
    _add_folder(parser)
    parser.add_argument(
        "--masking",
        required=True,
        action="append",
        metavar="NAME[,NAME...]",
        help="files of configs/masking, or paths to some, shown under each other; may be repeated",
    )
    parser.add_argument("--n", type=int, default=20, metavar="N", help="sequences to show (default: %(default)s)")
    _add_sequences(parser)
    parser.add_argument("--html", metavar="FILE", help="write a page instead of printing")
    parser.set_defaults(func=_preview)


def _preview(args: Namespace) -> int:
    from corpus_tools.masking import build_masker, masking_settings
    from corpus_tools.preview_page import preview_html
    from corpus_tools.preview_terminal import preview
    from corpus_tools.report import save_page
    from corpus_tools.shards.read import open_shards

    settings = {name: masking_settings(name) for names in args.masking for name in names.split(",")}
    reader = open_shards(args.folder)
    maskers = {name: build_masker(chosen, reader.vocabulary) for name, chosen in settings.items()}
    if args.html:
        save_page(args.html, preview_html(reader, maskers, args.n, args.seed, args.row_tokens))
        print(f"written: {args.html}", file=sys.stderr)
    else:
        preview(reader, maskers, args.n, args.seed, args.row_tokens)
    return 0


def add_audit(verbs: Verbs) -> None:
    """Add `audit`."""
    parser = add_verb(
        verbs,
        "audit",
        "measure what a masking does to a shard folder: rates, replacements, whole units",
        "corpus-tools audit shards --masking wwm --row-tokens 128 --json",
    )
    _add_folder(parser)
    parser.add_argument("--masking", required=True, metavar="NAME", help="a file of configs/masking, or a path to one")
    parser.add_argument("--limit", type=int, metavar="N", help="look at the first N documents only")
    _add_sequences(parser)
    add_json(parser)
    parser.set_defaults(func=_audit)


def _audit(args: Namespace) -> int:
    from corpus_tools.audit import audit
    from corpus_tools.masking import build_masker, masking_settings
    from corpus_tools.printed import print_json, print_rows
    from corpus_tools.shards.read import open_shards

    settings = masking_settings(args.masking)
    reader = open_shards(args.folder)
    masker = build_masker(settings, reader.vocabulary)
    found = audit(reader, masker, args.row_tokens, args.seed, args.limit)
    if args.json:
        print_json(found)
    else:
        print_rows(list(_flat(found)))
    return 0


def _flat(found: dict[str, Any], place: str = "") -> Iterator[tuple[str, int | str]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", f"{value:.4f}" if isinstance(value, float) else value


def add_stats(verbs: Verbs) -> None:
    """Add `stats`."""
    parser = add_verb(
        verbs,
        "stats",
        "say what a shard folder holds: amounts, lengths, words, entities, what has no token",
        "corpus-tools stats shards --html stats.html",
    )
    _add_folder(parser)
    parser.add_argument("--html", metavar="FILE", help="write a page with plots instead of printing")
    add_json(parser)
    parser.set_defaults(func=_stats)


def _stats(args: Namespace) -> int:
    from corpus_tools import summary
    from corpus_tools.build_report import corpus_page
    from corpus_tools.commonest import commonest
    from corpus_tools.printed import print_json, print_stats
    from corpus_tools.report import save_page
    from corpus_tools.shards.read import open_shards

    reader = open_shards(args.folder)
    if args.html:
        save_page(args.html, corpus_page(reader))
        print(f"written: {args.html}", file=sys.stderr)
    elif args.json:
        print_json(summary.to_json(reader.manifest, commonest(reader)))
    else:
        print_stats(reader.manifest, commonest(reader))
    return 0


def add_verify(verbs: Verbs) -> None:
    """Add `verify`."""
    parser = add_verb(
        verbs, "verify", "check every byte and every mark of a shard folder", "corpus-tools verify shards --json"
    )
    _add_folder(parser)
    add_json(parser)
    parser.set_defaults(func=_verify)


def _verify(args: Namespace) -> int:
    from corpus_tools.markup import visible
    from corpus_tools.printed import print_json
    from corpus_tools.shards.verify import verify

    verdict = verify(args.folder)
    if args.json:
        print_json(verdict.to_json())
    else:
        for problem in verdict.problems:
            print(visible(problem))
        if not verdict.problems:
            print(
                f"{args.folder}: sound. {verdict.documents:,} documents, {verdict.tokens:,} tokens, every hash agrees"
            )
    return DataError.exit_code if verdict.problems else 0


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="shard folder")


def _add_sequences(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--row-tokens", type=int, default=512, metavar="N", help="tokens of a sequence, at most (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
