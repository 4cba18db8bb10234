"""`dedup` and `phrases`: lists about a whole corpus, for a person to look at and for `build` to read."""

from __future__ import annotations

import argparse
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus_tools.commands.options import (
    Verbs,
    add_cleaning,
    add_dry_run,
    add_inputs,
    add_json,
    add_reading,
    add_verb,
    add_words,
    add_workers,
    corpus_options,
    segmented_options,
)

if TYPE_CHECKING:
    from corpus_tools.corpus_settings import CorpusSettings


def add_dedup(verbs: Verbs) -> None:
    """Add `dedup`."""
    parser = add_verb(
        verbs,
        "dedup",
        "list documents that repeat an earlier one, exactly or nearly, for build --drop",
        "corpus-tools dedup texts/ --out drop.tsv\n  "
        "corpus-tools build texts/ --vocab vocab --out shards --drop drop.tsv",
        required="INPUT... --out LIST",
    )
    add_inputs(parser)
    _add_out(parser)
    parser.add_argument(
        "--near",
        type=float,
        default=0.8,
        metavar="X",
        help="least Jaccard similarity of near duplicates, over stretches of 5 characters (default: %(default)s)",
    )
    add_reading(parser)
    _add_running(parser)
    parser.set_defaults(func=_dedup)


def _dedup(args: Namespace) -> int:
    from corpus_tools.console import ProgressLine
    from corpus_tools.dedup import DedupSettings, find_duplicates
    from corpus_tools.whole_corpus import Progress

    settings = DedupSettings(**corpus_options(args), near=args.near, workers=args.workers)
    if args.dry_run:
        return _print_plan(args, settings)
    with ProgressLine[Progress]() as progress:
        found = find_duplicates(settings, progress)
    return _print_found(args, found.to_json(), "--drop")


def add_phrases(verbs: Verbs) -> None:
    """Add `phrases`."""
    parser = add_verb(
        verbs,
        "phrases",
        "list phrases: words that hold together among changing neighbours, for build --phrases",
        "corpus-tools phrases texts/ --out mined.txt\n  "
        "corpus-tools build texts/ --vocab vocab --out shards --phrases mined.txt",
        required="INPUT... --out LIST",
    )
    add_inputs(parser)
    _add_out(parser)
    parser.add_argument(
        "--min-count", type=int, metavar="N", help="times it occurs at least (default: once in 2 million words, or 10)"
    )
    parser.add_argument(
        "--min-pmi",
        type=float,
        default=7.0,
        metavar="X",
        help="least pointwise mutual information at its weakest joint, in bits (default: %(default)s)",
    )
    parser.add_argument(
        "--min-entropy",
        type=float,
        default=2.0,
        metavar="Y",
        help="least entropy of the words on either side, in bits (default: %(default)s)",
    )
    parser.add_argument(
        "--max-words", type=int, default=4, metavar="N", help="words of it at most, 2 to 6 (default: %(default)s)"
    )
    add_reading(parser)
    add_cleaning(parser)
    add_words(parser)
    _add_running(parser)
    parser.set_defaults(func=_phrases)


def _phrases(args: Namespace) -> int:
    from corpus_tools.console import ProgressLine
    from corpus_tools.phrases import PhraseSettings, mine_phrases
    from corpus_tools.whole_corpus import Progress

    settings = PhraseSettings(
        **segmented_options(args),
        min_count=args.min_count,
        min_pmi=args.min_pmi,
        min_entropy=args.min_entropy,
        max_words=args.max_words,
        workers=args.workers,
    )
    if args.dry_run:
        settings.load()
        return _print_plan(args, settings)
    with ProgressLine[Progress]() as progress:
        found = mine_phrases(settings, progress)
    return _print_found(args, found.to_json(), "--phrases")


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, metavar="LIST", help="file to write; one that exists is left alone")


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    add_workers(group)
    add_dry_run(group)
    add_json(group)


def _print_plan(args: Namespace, settings: CorpusSettings) -> int:
    from corpus_tools.build_printed import amount
    from corpus_tools.printed import print_json, print_rows
    from corpus_tools.storage import refuse_existing

    refuse_existing(Path(args.out))
    splits = settings.splits()
    if args.json:
        print_json({"out": args.out, "bytes": sum(split.n_bytes for split in splits), "parts": len(splits)})
    else:
        print_rows([("read", amount(splits)), ("write", args.out), ("workers", min(settings.n_workers, len(splits)))])
    return 0


def _print_found(args: Namespace, found: dict[str, Any], option: str) -> int:
    from corpus_tools.printed import print_json, print_rows

    if args.json:
        print_json({"out": args.out, **found})
    else:
        print_rows([(name.replace("_", " "), value) for name, value in found.items()])
        print(f"\nlook at {args.out}, then: corpus-tools build {' '.join(args.inputs)} {option} {args.out} ...")
    return 0
