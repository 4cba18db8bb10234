"""`vocab`: make a vocabulary from the text that a build would see, or extend one."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
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
    cleaned_options,
)
from corpus_tools.errors import OutputError, SettingsError

if TYPE_CHECKING:
    from corpus_tools.encode.vocabulary import Vocabulary
    from corpus_tools.schema import Document
    from corpus_tools.text.read import Reject


def add_vocab(verbs: Verbs) -> None:
    """Add `vocab`."""
    parser = add_verb(
        verbs,
        "vocab",
        "make a WordPiece vocabulary for Chinese from text, or extend one",
        "corpus-tools vocab texts/ --size 21128 --out vocab",
        required="INPUT... --size N --out DIR",
    )
    add_inputs(parser)
    parser.add_argument("--size", type=int, required=True, metavar="N", help="entries in all, at most")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write: vocab.txt and a tokenizer")
    parser.add_argument(
        "--extend", metavar="VOCAB", help="keep every entry of this vocabulary and append what it lacks"
    )
    parser.add_argument(
        "--add",
        action="append",
        default=[],
        metavar="FILE",
        help="with --extend: entries to append whatever the text holds; may be repeated",
    )
    add_cased(parser)
    add_dry_run(parser)
    add_reading(parser)
    add_cleaning(parser)
    parser.set_defaults(func=_vocab)


def _vocab(args: Namespace) -> int:
    from corpus_tools.build_printed import amount
    from corpus_tools.corpus_settings import CleanedSettings
    from corpus_tools.encode.train import extend_vocabulary, train_vocabulary
    from corpus_tools.encode.vocabulary import load_vocabulary
    from corpus_tools.files import list_lines
    from corpus_tools.storage import locked

    if args.add and not args.extend:
        raise SettingsError("--add: only with --extend. A new vocabulary takes what the text holds")
    out = Path(args.out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: exists and is not an empty folder. Take another --out")
    settings = CleanedSettings(**cleaned_options(args))
    splits = settings.splits()
    found = settings.documents(splits)
    old = load_vocabulary(args.extend, args.cased) if args.extend else None
    words = [(line.strip(), f"{path}:{n}") for path in args.add for n, line in list_lines(path) if line.strip()]
    if args.dry_run:
        print(f"would read {amount(splits)} and write at most {args.size:,} entries to {out}")
        return 0
    dropped = Counter[str]()
    texts = _texts(found, dropped)
    made = (
        extend_vocabulary(old, texts, args.size, words) if old else train_vocabulary(texts, args.size, not args.cased)
    )
    with locked(out):
        made.save(out)
    _print_vocabulary(made, old, dropped)
    print(f"\nnext: corpus-tools build {' '.join(args.inputs)} --vocab {out} --out shards")
    return 0


def _texts(found: Iterator[Document | Reject], dropped: Counter[str]) -> Iterator[str]:
    from corpus_tools.text.read import Reject

    for item in found:
        if isinstance(item, Reject):
            dropped[item.reason] += 1
        else:
            yield item.text


def _print_vocabulary(made: Vocabulary, old: Vocabulary | None, dropped: Counter[str]) -> None:
    from corpus_tools.printed import print_rows

    n_han = sum(len(token) == 1 and "一" <= token <= "鿿" for token in made.tokens)
    rows: list[tuple[str, int | str]] = [
        ("entries", made.size),
        *([("of them new", made.size - old.size)] if old else []),
        ("Chinese characters", n_han),
        ("## pieces", sum(token.startswith("##") for token in made.tokens)),
        *((f"documents dropped: {reason}", n) for reason, n in sorted(dropped.items())),
        ("fingerprint", made.fingerprint[:12]),
    ]
    print_rows(rows)
