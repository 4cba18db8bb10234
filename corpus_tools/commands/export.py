"""`export`: a shard folder in a form that other tools read."""

from __future__ import annotations

import sys
from argparse import Namespace
from functools import partial
from pathlib import Path

from corpus_tools.commands.options import Verbs, add_dry_run, add_json, add_verb


def add_export(verbs: Verbs) -> None:
    """Add `export`."""
    parser = add_verb(
        verbs,
        "export",
        "write a shard folder in a form that other tools read",
        "corpus-tools export shards --to static --masking wwm --row-tokens 128 --dupe-factor 10 --out masked",
    )
    parser.add_argument("folder", metavar="DIR", help="shard folder")
    parser.add_argument(
        "--to",
        required=True,
        choices=("datasets", "jsonl", "static"),
        help="datasets: a folder for datasets.load_from_disk; jsonl: tokens and marks, a document a line; "
        "static: masks drawn once, as such a folder",
    )
    parser.add_argument("--out", required=True, metavar="PATH", help="folder to write, or file with --to jsonl")
    parser.add_argument(
        "--row-tokens",
        type=int,
        metavar="N",
        help="cut documents into stretches that fill sequences of N tokens, [CLS] and [SEP] counted "
        "(default with static: 512; else documents stay whole)",
    )
    add_dry_run(parser, "say what would be written, write nothing")
    add_json(parser)
    static = parser.add_argument_group("with --to static")
    static.add_argument("--masking", metavar="NAME", help="a file of configs/masking, or a path to one (default: wwm)")
    static.add_argument("--dupe-factor", type=int, metavar="N", help="copies, each with its own masks (default: 10)")
    static.add_argument("--seed", type=int, metavar="N", help="of the draws (default: 0)")
    parser.set_defaults(func=_export)


def _export(args: Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from corpus_tools.export import build_form
    from corpus_tools.export.run import export
    from corpus_tools.printed import print_json
    from corpus_tools.shards.read import open_shards
    from corpus_tools.storage import refuse_existing

    names = ("row_tokens", "masking", "dupe_factor", "seed")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    form = build_form({"name": args.to, **given})
    reader, out = open_shards(args.folder), Path(args.out)
    refuse_existing(out)
    n_rows = form.n_rows(reader)
    if args.dry_run:
        n_bytes = form.n_bytes(reader)
    else:
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
            n_bytes = export(reader, form, out, partial(bar.advance, bar.add_task("export", total=n_rows)))
    if args.json:
        print_json({"to": args.to, "out": args.out, "documents": len(reader), "rows": n_rows, "bytes": n_bytes})
    else:
        did, about = ("would write", "about ") if args.dry_run else ("wrote", "")
        print(f"{did} {n_rows:,} rows of {len(reader):,} documents to {out}, {about}{n_bytes:,} bytes")
    return 0
