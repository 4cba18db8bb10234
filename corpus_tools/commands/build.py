"""`build` and `merge`: text to a shard folder, whole or in parts."""

from __future__ import annotations

import argparse
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from corpus_tools.commands.options import (
    Verbs,
    add_cased,
    add_cleaning,
    add_dry_run,
    add_inputs,
    add_reading,
    add_verb,
    add_words,
    add_workers,
    names_of,
    segmented_options,
)

if TYPE_CHECKING:
    from corpus_tools.build_settings import BuildSettings, ListFile


def add_build(verbs: Verbs) -> None:
    """Add `build`."""
    parser = add_verb(
        verbs,
        "build",
        "turn text into a shard folder, or go on where a build stopped",
        "corpus-tools build texts/ --vocab vocab --out shards --entities ns=places.txt --workers 8",
        required="INPUT... --vocab PATH --out DIR",
    )
    add_inputs(parser)
    parser.add_argument("--vocab", required=True, metavar="PATH", help="a vocab.txt or a folder with a BERT tokenizer")
    parser.add_argument("--out", required=True, metavar="DIR", help="shard folder to write")
    add_cased(parser)
    parser.add_argument(
        "--model-max-length",
        type=int,
        default=512,
        metavar="N",
        help="positions of the models that the tokenizer is for (default: %(default)s)",
    )
    add_reading(parser)
    add_cleaning(parser)
    add_words(parser)
    _add_units(parser)
    _add_running(parser)
    parser.set_defaults(func=_build)


def _add_units(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("entities and phrases")
    for what in ("entities", "phrases"):
        group.add_argument(
            f"--{what}",
            action="append",
            default=[],
            metavar="[KIND=]FILE",
            help=f"a list of {what}, one a line up to a tab; the kind defaults to the file's stem; may be repeated",
        )
    group.add_argument(
        "--knowledge",
        action="append",
        default=[],
        metavar="[KIND=]FILE",
        help="a graph, subject, predicate and object a line apart by tabs: its subjects are entities; may be repeated",
    )
    group.add_argument(
        "--tags",
        default="nr,ns,nt,nz",
        metavar="TAG,...",
        help="words with these tags in jieba's dictionary are entities; '' for none (default: %(default)s)",
    )
    group.add_argument(
        "--spans",
        metavar="FILE",
        help='a .jsonl file of {"id", "spans"}: what a tagger found in the documents of these ids',
    )
    for option, of in (("--kinds", "entities"), ("--phrase-kinds", "phrases")):
        group.add_argument(
            option, default="", metavar="KIND,...", help=f"kinds of {of} that inputs and --spans may be marked with"
        )


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    add_workers(group)
    group.add_argument(
        "--shard", metavar="I/N", help="build the I-th of N parts, for arrays of jobs; `merge` puts them together"
    )
    group.add_argument(
        "--engine",
        default="local",
        metavar="NAME",
        help="local (processes), or ray: tasks of a Ray cluster whose nodes see the same files (default: %(default)s)",
    )
    group.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="of the Ray cluster (default: RAY_ADDRESS where it is set, else one on this machine)",
    )
    add_dry_run(group, "check everything, say what would be done and estimate what comes of it, write nothing")


def _build(args: Namespace) -> int:
    from corpus_tools.build import plan_build, run_build
    from corpus_tools.build_printed import print_build, print_plan
    from corpus_tools.console import ProgressLine
    from corpus_tools.progress import Progress

    plan = plan_build(_settings(args))
    if args.dry_run:
        print_plan(plan)
        return 0
    with ProgressLine[Progress]() as progress:
        manifest = run_build(plan, progress)
    print_build(manifest, plan, progress.last)
    return 0


def _settings(args: Namespace) -> BuildSettings:
    from corpus_tools.build_settings import BuildSettings
    from corpus_tools.shards.manifest import Part

    return BuildSettings(
        **segmented_options(args),
        vocab=args.vocab,
        cased=args.cased,
        entities=tuple(map(list_file, args.entities)),
        phrases=tuple(map(list_file, args.phrases)),
        knowledge=tuple(map(list_file, args.knowledge)),
        spans=args.spans,
        kinds=names_of(args.kinds),
        phrase_kinds=names_of(args.phrase_kinds),
        tags=names_of(args.tags),
        model_max_length=args.model_max_length,
        workers=args.workers,
        engine=args.engine,
        ray_address=args.ray_address,
        part=Part.parse(args.shard) if args.shard else None,
    )


def list_file(text: str) -> ListFile:
    """Take `[KIND=]FILE` apart. A file whose own name holds `=` is meant where it exists."""
    kind, equals, path = text.partition("=")
    return (kind, path) if equals and kind and "/" not in kind and not Path(text).is_file() else (None, text)


def add_merge(verbs: Verbs) -> None:
    """Add `merge`."""
    parser = add_verb(
        verbs,
        "merge",
        "put the parts of `build --shard` together: the bytes that one build would have written",
        "corpus-tools merge parts/1 parts/2 parts/3 --out shards",
    )
    parser.add_argument("parts", nargs="+", metavar="PART", help="the folders of all parts, in any order")
    parser.add_argument("--out", required=True, metavar="DIR", help="shard folder to write")
    add_dry_run(parser, "check the parts, say what would be done, write nothing")
    parser.set_defaults(func=_merge)


def _merge(args: Namespace) -> int:
    from corpus_tools.build_printed import print_next
    from corpus_tools.console import ProgressLine
    from corpus_tools.merge import merge, plan_merge
    from corpus_tools.printed import print_headline

    plan = plan_merge(args.parts)
    if args.dry_run:
        print(f"would link {len(plan.shards)} shards of {len(plan.parts)} parts into {args.out}")
        return 0
    with ProgressLine[str]() as progress:
        manifest = merge(plan, args.out, progress)
    print_headline(manifest)
    print_next(args.out)
    return 0
