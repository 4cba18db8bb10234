"""The `corpus-tools` command: verbs, their options, and the exit code each ends with.

What the verbs do stands in `commands.py`, which is imported when one runs, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final, TypeAlias

from corpus_tools.errors import UserError

EXAMPLES: Final = """examples:
  corpus-tools vocab texts/ --size 21128 --out vocab
  corpus-tools build texts/ --vocab vocab --out shards --entities medical=lists/medical.txt --workers 8
  corpus-tools preview shards --masking wwm --n 3
  corpus-tools audit shards --masking entity --json
  echo 研究生命的起源 | corpus-tools segment
"""

INTERRUPTED: Final = 130
"""128 + SIGINT, as shells count it. A build answers Ctrl-C itself, with 75."""

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code. A user's error is printed alone; a bug shows its traceback."""
    args = build_parser().parse_args(argv)
    from corpus_tools import commands

    try:
        code: int = commands.VERBS[args.verb](args)
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"corpus-tools: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def build_parser() -> argparse.ArgumentParser:
    """Describe the whole command line."""
    parser = argparse.ArgumentParser(
        prog="corpus-tools",
        description="Turn Chinese text into shards of token ids with exact word, phrase and entity marks.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="verb")
    for add in (_add_vocab, _add_build, _add_preview, _add_audit, _add_stats, _add_verify, _add_segment):
        add(verbs)
    return parser


def _verb(verbs: Verbs, name: str, text: str, example: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return made


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help=".txt, .jsonl (also .gz, .xz), .parquet, a folder of them, a saved data set, or hf:NAME[/CONFIG][:SPLIT]",
    )
    parser.add_argument(
        "--document-ends",
        choices=("blank_line", "file"),
        default="blank_line",
        help="what ends a document of a .txt file (default: %(default)s)",
    )
    parser.add_argument(
        "--text-field",
        default="text",
        metavar="NAME",
        help="field or column that holds the text (default: %(default)s)",
    )
    parser.add_argument("--cased", action="store_true", help="keep upper and lower case apart")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, say what would be done, write nothing"
    )


def _add_vocab(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "vocab",
        "make a WordPiece vocabulary for Chinese from text, or extend one",
        "corpus-tools vocab texts/ --size 21128 --out vocab",
    )
    _add_reading(parser)
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
        help="with --extend: entries to append whatever the text holds",
    )


def _add_build(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "build",
        "turn text into a shard folder, or go on where a build stopped",
        "corpus-tools build texts/ --vocab vocab --out shards --entities ns=places.txt --workers 8",
    )
    _add_reading(parser)
    parser.add_argument("--vocab", required=True, metavar="PATH", help="a vocab.txt or a folder with a BERT tokenizer")
    parser.add_argument("--out", required=True, metavar="DIR", help="shard folder to write")
    _add_segmenting(parser)
    for what in ("entities", "phrases"):
        parser.add_argument(
            f"--{what}",
            action="append",
            default=[],
            metavar="[KIND=]FILE",
            help=f"a list of {what}, one a line up to a tab; the kind defaults to the file's stem; may be repeated",
        )
    parser.add_argument(
        "--tags",
        default="nr,ns,nt,nz",
        metavar="TAG,...",
        help="words with these tags in jieba's dictionary are entities; '' for none (default: %(default)s)",
    )
    parser.add_argument(
        "--model-max-length",
        type=int,
        default=512,
        metavar="N",
        help="positions of the models that the tokenizer is for (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one a processor)")


def _add_segmenting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--segmenter",
        default="jieba",
        metavar="NAME",
        help="jieba, presegmented, chars, or by_function:MODULE:FUNCTION (default: %(default)s)",
    )
    parser.add_argument(
        "--dict",
        dest="dictionaries",
        action="append",
        default=[],
        metavar="FILE",
        help="a jieba user dictionary, 'word [frequency] [tag]' a line; may be repeated",
    )


def _add_masking(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="shard folder")
    parser.add_argument("--masking", required=True, metavar="NAME", help="a file of configs/masking, or a path to one")
    parser.add_argument("--row-tokens", type=int, default=512, metavar="N", help="tokens of a sequence, at most (512)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")


def _add_preview(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "preview",
        "show sequences with words, entities and a drawn mask in colour",
        "corpus-tools preview shards --masking wwm --n 3 --html preview.html",
    )
    _add_masking(parser)
    parser.add_argument("--n", type=int, default=20, metavar="N", help="sequences to show (default: %(default)s)")
    parser.add_argument("--html", metavar="FILE", help="write a page instead of printing")


def _add_audit(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "audit",
        "measure what a masking does to a shard folder: rates, replacements, whole units",
        "corpus-tools audit shards --masking wwm --row-tokens 128 --json",
    )
    _add_masking(parser)
    parser.add_argument("--limit", type=int, metavar="N", help="look at the first N documents only")
    _add_json(parser)


def _add_stats(verbs: Verbs) -> None:
    parser = _verb(verbs, "stats", "count documents, lengths, words and entities", "corpus-tools stats shards")
    parser.add_argument("folder", metavar="DIR", help="shard folder")
    _add_json(parser)


def _add_verify(verbs: Verbs) -> None:
    parser = _verb(
        verbs, "verify", "check every byte and every mark of a shard folder", "corpus-tools verify shards --json"
    )
    parser.add_argument("folder", metavar="DIR", help="shard folder")
    _add_json(parser)


def _add_segment(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "segment",
        "segment standard input, line by line, to standard output",
        "echo 研究生命的起源 | corpus-tools segment --separator /",
    )
    _add_segmenting(parser)
    parser.add_argument("--separator", default=" ", help="stands between words (default: a space)")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
