"""Options that several verbs have, in groups, and the settings that they make."""

from __future__ import annotations

import argparse
from argparse import Namespace
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from corpus_tools.text.inputs import ReadSettings

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Options: TypeAlias = "argparse._ActionsContainer"
"""A parser, or a group of its options."""


def add_verb(verbs: Verbs, name: str, text: str, example: str, required: str | None = None) -> argparse.ArgumentParser:
    """Add a verb.

    Args:
        verbs: where to.
        name: what it is called.
        text: what it does, in a line.
        example: a command that can be pasted.
        required: what has to be given, where the usage line would be lost among all the options.
    """
    made: argparse.ArgumentParser = verbs.add_parser(
        name,
        usage=f"corpus-tools {name} {required} [OPTION]..." if required else None,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return made


def add_inputs(parser: Options) -> None:
    """Add the inputs themselves."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help=".txt, .jsonl, .conll, .bio (also .gz, .xz, .zst), .parquet, .zip, .tar (also packed), a folder of them, "
        "a saved data set, or hf:NAME[/CONFIG][:SPLIT]",
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add how inputs are read."""
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--document-ends",
        choices=("blank_line", "file"),
        default="blank_line",
        help="what ends a document of a .txt file (default: %(default)s)",
    )
    group.add_argument(
        "--text-field",
        default="text",
        metavar="NAME",
        help="field or column that holds the text (default: %(default)s)",
    )
    group.add_argument(
        "--span-field",
        default="spans",
        metavar="NAME",
        help="field or column with [start, end, kind] of each entity in the text (default: %(default)s)",
    )
    group.add_argument(
        "--inline-tags",
        default="",
        metavar="KIND,...",
        help="the texts have <KIND>...</KIND> in them: take these tags out, they mark entities",
    )
    group.add_argument(
        "--document-sentences",
        type=int,
        default=1,
        metavar="N",
        help="sentences of a document of a .conll or .bio file; 0: up to -DOCSTART- (default: %(default)s)",
    )
    group.add_argument(
        "--encoding",
        default="auto",
        metavar="NAME",
        help="of all text files: utf-8, gb18030 (or gbk), big5, utf-16-le, ...; auto decides for each (default: auto)",
    )
    group.add_argument(
        "--bad-bytes",
        choices=("reject", "replace", "fail"),
        default="reject",
        help="what to do with a document that cannot be decoded (default: %(default)s)",
    )
    group.add_argument(
        "--max-members", type=int, default=10_000, metavar="N", help="refuse archives of more files (default: 10,000)"
    )
    group.add_argument(
        "--max-unpacked",
        type=int,
        default=1 << 40,
        metavar="BYTES",
        help="refuse a packed file or archive that unpacks to more (default: 1 TiB)",
    )


def add_cleaning(parser: argparse.ArgumentParser) -> None:
    """Add what changes texts and what drops documents."""
    group = parser.add_argument_group("cleaning")
    group.add_argument(
        "--drop", metavar="LIST", help="leave out these documents: a list of ids, as `corpus-tools dedup` writes it"
    )
    group.add_argument(
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
        group.add_argument(option, type=kind, metavar=metavar, help=text)


def add_words(parser: argparse.ArgumentParser) -> None:
    """Add how words are found."""
    group = parser.add_argument_group("words")
    group.add_argument(
        "--segmenter",
        default="jieba",
        metavar="NAME",
        help="jieba, presegmented, chars, or by_function:MODULE:FUNCTION (default: %(default)s)",
    )
    group.add_argument(
        "--dict",
        dest="dictionaries",
        action="append",
        default=[],
        metavar="FILE",
        help="a jieba user dictionary, 'word [frequency] [tag]' a line; may be repeated",
    )
    group.add_argument(
        "--no-hmm",
        dest="hmm",
        action="store_false",
        help="only words of jieba's dictionary and of --dict, none guessed: jieba's HMM=False",
    )
    group.add_argument(
        "--segment-as",
        choices=("simplified",),
        help="look for words, and for entries of lists, in a simplified copy; the text itself stays traditional",
    )


def add_dry_run(parser: Options, text: str = "check everything, say what would be done, write nothing") -> None:
    """Add --dry-run."""
    parser.add_argument("--dry-run", action="store_true", help=text)


def add_workers(parser: Options) -> None:
    """Add --workers."""
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="processes; 0 for one a processor (default: %(default)s)"
    )


def add_cased(parser: Options) -> None:
    """Add --cased."""
    parser.add_argument("--cased", action="store_true", help="keep upper and lower case apart")


def add_json(parser: Options) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def names_of(text: str) -> tuple[str, ...]:
    """Take `NAME,...` apart; a name that stands twice is named once."""
    return tuple(dict.fromkeys(name for name in text.split(",") if name))


def corpus_options(args: Namespace) -> dict[str, Any]:
    """Return what inputs, --out and the reading options say, by the fields of `CorpusSettings`."""
    return {"inputs": tuple(args.inputs), "out": args.out, "read": _read_settings(args)}


def cleaned_options(args: Namespace) -> dict[str, Any]:
    """Return the same with the cleaning options, by the fields of `CleanedSettings`."""
    from corpus_tools.text.filters import Filters

    asked = {each.name: getattr(args, each.name) for each in fields(Filters)}
    filters = Filters(**{name: value for name, value in asked.items() if value is not None})
    return {**corpus_options(args), "drop": args.drop, "clean": names_of(args.clean), "filters": filters}


def segmented_options(args: Namespace) -> dict[str, Any]:
    """Return the same with the options of words, by the fields of `SegmentedSettings`."""
    words = {name: getattr(args, name) for name in ("segmenter", "hmm", "segment_as")}
    return {**cleaned_options(args), **words, "dictionaries": tuple(args.dictionaries)}


def _read_settings(args: Namespace) -> ReadSettings:
    from corpus_tools.text.inputs import ReadSettings

    return ReadSettings(
        document_ends=args.document_ends,
        text_field=args.text_field,
        span_field=args.span_field,
        inline_tags=names_of(args.inline_tags),
        document_sentences=args.document_sentences,
        encoding=args.encoding,
        bad_bytes=args.bad_bytes,
        max_members=args.max_members,
        max_unpacked=args.max_unpacked,
    )
