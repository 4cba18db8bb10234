"""The `corpus-tools` command: verbs, their options, and the exit code each ends with.

What the verbs do stands in `commands.py`, which is imported when one runs, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import atexit
import gc
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
  corpus-tools export shards --to datasets --out rows
  corpus-tools dedup texts/ --out drop.tsv
  echo 研究生命的起源 | corpus-tools segment
"""

INTERRUPTED: Final = 130
"""128 + SIGINT, as shells count it. A build answers Ctrl-C itself, with 75."""

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code. A user's error is printed alone; a bug shows its traceback."""
    args = build_parser().parse_args(argv)
    from corpus_tools import commands

    # The interpreter's last search for garbage would take a third of a second, among the objects of numba's compiler.
    atexit.register(gc.freeze)
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
    for add in (
        _add_vocab,
        _add_build,
        _add_merge,
        _add_preview,
        _add_audit,
        _add_stats,
        _add_verify,
        _add_export,
        _add_dedup,
        _add_phrases,
        _add_segment,
    ):
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
        help=".txt, .jsonl, .conll, .bio (also .gz, .xz, .zst), .parquet, .zip, .tar (also packed), a folder of them, "
        "a saved data set, or hf:NAME[/CONFIG][:SPLIT]",
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
    parser.add_argument(
        "--span-field",
        default="spans",
        metavar="NAME",
        help="field or column with [start, end, kind] of each entity in the text (default: %(default)s)",
    )
    parser.add_argument(
        "--inline-tags",
        default="",
        metavar="KIND,...",
        help="the texts have <KIND>...</KIND> in them: take these tags out, they mark entities",
    )
    parser.add_argument(
        "--document-sentences",
        type=int,
        default=1,
        metavar="N",
        help="sentences of a document of a .conll or .bio file; 0: up to -DOCSTART- (default: %(default)s)",
    )
    parser.add_argument(
        "--encoding",
        default="auto",
        metavar="NAME",
        help="of all text files: utf-8, gb18030 (or gbk), big5, utf-16-le, ...; auto decides for each (default: auto)",
    )
    parser.add_argument(
        "--bad-bytes",
        choices=("reject", "replace", "fail"),
        default="reject",
        help="what to do with a document that cannot be decoded (default: %(default)s)",
    )
    parser.add_argument(
        "--max-members", type=int, default=10_000, metavar="N", help="refuse archives of more files (default: 10,000)"
    )
    parser.add_argument(
        "--max-unpacked",
        type=int,
        default=1 << 40,
        metavar="BYTES",
        help="refuse a packed file or archive that unpacks to more (default: 1 TiB)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, say what would be done, write nothing"
    )


def _add_cased(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cased", action="store_true", help="keep upper and lower case apart")


def _add_listing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, metavar="LIST", help="file to write; one that exists is left alone")
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one a processor)")
    _add_json(parser)


def _add_vocab(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "vocab",
        "make a WordPiece vocabulary for Chinese from text, or extend one",
        "corpus-tools vocab texts/ --size 21128 --out vocab",
    )
    _add_reading(parser)
    _add_cased(parser)
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
    _add_cased(parser)
    parser.add_argument("--vocab", required=True, metavar="PATH", help="a vocab.txt or a folder with a BERT tokenizer")
    parser.add_argument("--out", required=True, metavar="DIR", help="shard folder to write")
    _add_segmenting(parser)
    _add_segment_as(parser)
    _add_cleaning(parser)
    for what in ("entities", "phrases"):
        parser.add_argument(
            f"--{what}",
            action="append",
            default=[],
            metavar="[KIND=]FILE",
            help=f"a list of {what}, one a line up to a tab; the kind defaults to the file's stem; may be repeated",
        )
    parser.add_argument(
        "--knowledge",
        action="append",
        default=[],
        metavar="[KIND=]FILE",
        help="a graph, subject, predicate and object a line apart by tabs: its subjects are entities; may be repeated",
    )
    parser.add_argument(
        "--spans",
        metavar="FILE",
        help='a .jsonl file of {"id", "spans"}: what a tagger found in the documents of these ids',
    )
    for option, of in (("--kinds", "entities"), ("--phrase-kinds", "phrases")):
        parser.add_argument(
            option, default="", metavar="KIND,...", help=f"kinds of {of} that inputs and --spans may be marked with"
        )
    parser.add_argument(
        "--tags",
        default="nr,ns,nt,nz",
        metavar="TAG,...",
        help="words with these tags in jieba's dictionary are entities; '' for none (default: %(default)s)",
    )
    parser.add_argument(
        "--drop", metavar="LIST", help="leave out these documents: a list of ids, as `corpus-tools dedup` writes it"
    )
    parser.add_argument(
        "--model-max-length",
        type=int,
        default=512,
        metavar="N",
        help="positions of the models that the tokenizer is for (default: %(default)s)",
    )
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one a processor)")
    parser.add_argument(
        "--shard", metavar="I/N", help="build the I-th of N parts, for arrays of jobs; `merge` puts them together"
    )
    parser.add_argument(
        "--engine",
        default="local",
        metavar="NAME",
        help="local (processes), or ray: tasks of a Ray cluster whose nodes see the same files (default: %(default)s)",
    )
    parser.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="of the Ray cluster (default: RAY_ADDRESS where it is set, else one on this machine)",
    )


def _add_merge(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "merge",
        "put the parts of `build --shard` together: the bytes that one build would have written",
        "corpus-tools merge parts/1 parts/2 parts/3 --out shards",
    )
    parser.add_argument("parts", nargs="+", metavar="PART", help="the folders of all parts, in any order")
    parser.add_argument("--out", required=True, metavar="DIR", help="shard folder to write")
    parser.add_argument("--dry-run", action="store_true", help="check the parts, say what would be done, write nothing")


def _add_dedup(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "dedup",
        "list documents that repeat an earlier one, exactly or nearly, for build --drop",
        "corpus-tools dedup texts/ --out drop.tsv\n  "
        "corpus-tools build texts/ --vocab vocab --out shards --drop drop.tsv",
    )
    _add_reading(parser)
    parser.add_argument(
        "--near",
        type=float,
        default=0.8,
        metavar="X",
        help="least Jaccard similarity of near duplicates, over stretches of 5 characters (default: %(default)s)",
    )
    _add_listing(parser)


def _add_phrases(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "phrases",
        "list phrases: words that hold together among changing neighbours, for build --phrases",
        "corpus-tools phrases texts/ --out mined.txt\n  "
        "corpus-tools build texts/ --vocab vocab --out shards --phrases mined.txt",
    )
    _add_reading(parser)
    _add_segmenting(parser)
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
    parser.add_argument("--max-words", type=int, default=4, metavar="N", help="2 to 6 (default: %(default)s)")
    _add_listing(parser)


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


def _add_segment_as(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--segment-as",
        choices=("simplified",),
        help="look for words, and for entries of lists, in a simplified copy; the text itself stays traditional",
    )


def _add_cleaning(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--clean",
        default="",
        metavar="STEP,...",
        help="change the text: html, control, width, spaces, repeated_lines (default: no character is changed)",
    )
    filters: tuple[tuple[str, type, str, str], ...] = (
        ("--min-chars", int, "N", "drop documents of fewer characters, white space not counted, such as 30"),
        ("--max-chars", int, "N", "drop documents of more"),
        ("--min-han", float, "SHARE", "drop documents with fewer Chinese characters among the letters, such as 0.5"),
        ("--max-symbols", float, "SHARE", "drop documents with more punctuation and symbols, such as 0.35"),
        ("--max-repetition", float, "SHARE", "drop documents that repeat more of themselves, such as 0.4"),
    )
    for option, kind, metavar, text in filters:
        parser.add_argument(option, type=kind, metavar=metavar, help=text)


def _add_sequences(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="shard folder")
    parser.add_argument("--row-tokens", type=int, default=512, metavar="N", help="tokens of a sequence, at most (512)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")


def _add_preview(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "preview",
        "show sequences with words, phrases, entities and drawn masks in colour",
        "corpus-tools preview shards --masking wwm,entity --n 3 --html preview.html",
    )
    _add_sequences(parser)
    parser.add_argument(
        "--masking",
        required=True,
        action="append",
        metavar="NAME[,NAME...]",
        help="files of configs/masking, or paths to some, shown under each other; may be repeated",
    )
    parser.add_argument("--n", type=int, default=20, metavar="N", help="sequences to show (default: %(default)s)")
    parser.add_argument("--html", metavar="FILE", help="write a page instead of printing")


def _add_audit(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "audit",
        "measure what a masking does to a shard folder: rates, replacements, whole units",
        "corpus-tools audit shards --masking wwm --row-tokens 128 --json",
    )
    _add_sequences(parser)
    parser.add_argument("--masking", required=True, metavar="NAME", help="a file of configs/masking, or a path to one")
    parser.add_argument("--limit", type=int, metavar="N", help="look at the first N documents only")
    _add_json(parser)


def _add_stats(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "stats",
        "say what a shard folder holds: amounts, lengths, words, entities, what has no token",
        "corpus-tools stats shards --html stats.html",
    )
    parser.add_argument("folder", metavar="DIR", help="shard folder")
    parser.add_argument("--html", metavar="FILE", help="write a page with plots instead of printing")
    _add_json(parser)


def _add_verify(verbs: Verbs) -> None:
    parser = _verb(
        verbs, "verify", "check every byte and every mark of a shard folder", "corpus-tools verify shards --json"
    )
    parser.add_argument("folder", metavar="DIR", help="shard folder")
    _add_json(parser)


def _add_export(verbs: Verbs) -> None:
    parser = _verb(
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
        "(static: 512; else documents stay whole)",
    )
    parser.add_argument("--masking", metavar="NAME", help="static: a file of configs/masking, or a path to one (wwm)")
    parser.add_argument("--dupe-factor", type=int, metavar="N", help="static: copies, each with its own masks (10)")
    parser.add_argument("--seed", type=int, metavar="N", help="static: of the draws (0)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written, write nothing")
    _add_json(parser)


def _add_segment(verbs: Verbs) -> None:
    parser = _verb(
        verbs,
        "segment",
        "segment standard input, line by line, to standard output",
        "echo 研究生命的起源 | corpus-tools segment --separator /",
    )
    _add_segmenting(parser)
    _add_segment_as(parser)
    parser.add_argument("--separator", default=" ", help="stands between words (default: a space)")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
