"""`segment`: standard input, line by line, with blanks between its words."""

from __future__ import annotations

import sys
from argparse import Namespace
from itertools import pairwise

from corpus_tools.commands.options import Verbs, add_verb, add_words
from corpus_tools.errors import DataError


def add_segment(verbs: Verbs) -> None:
    """Add `segment`."""
    parser = add_verb(
        verbs,
        "segment",
        "segment standard input, line by line, to standard output",
        "echo 研究生命的起源 | corpus-tools segment --separator /",
    )
    parser.add_argument("--separator", default=" ", metavar="TEXT", help="stands between words (default: a space)")
    add_words(parser)
    parser.set_defaults(func=_segment)


def _segment(args: Namespace) -> int:
    """Segment. White space between words is not repeated."""
    from corpus_tools.corpus_settings import make_segmenter
    from corpus_tools.segment import word_starts
    from corpus_tools.text.simplify import Simplifier

    segmenter = make_segmenter(args.segmenter, tuple(args.dictionaries), args.hmm)
    simplifier = Simplifier() if args.segment_as else None
    # In UTF-8 whatever the locale says, and split at "\n" alone.
    for n, raw in enumerate(sys.stdin.buffer, start=1):
        try:
            text = raw.decode("utf-8").removesuffix("\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"standard input, line {n}: not UTF-8 (byte {error.start + 1}). Convert it first"
            ) from error
        starts = word_starts(segmenter, simplifier.text(text)[0] if simplifier else text)
        words = [text[start:end] for start, end in pairwise([*starts, len(text)])]
        line = args.separator.join(word for word in words if not word.isspace())
        sys.stdout.buffer.write(line.encode() + b"\n")
    return 0
