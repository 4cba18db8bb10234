"""The `corpus-tools` command: its verbs, and the exit code each ends with.

The verbs stand in `commands/`. Nothing heavy is imported before one runs, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Final

from corpus_tools.commands import VERBS
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code. A user's error is printed alone; a bug shows its traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be UTF-8
    args = build_parser().parse_args(argv)
    from corpus_tools.compiled import told_when_compiling

    # The interpreter's last search for garbage would take a third of a second, among the objects of numba's compiler.
    atexit.register(gc.freeze)
    try:
        with told_when_compiling(_tell):
            code: int = args.func(args)
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


def _tell() -> None:
    print("corpus-tools: compiling for this machine; this is done once and takes some seconds", file=sys.stderr)


def build_parser() -> argparse.ArgumentParser:
    """Describe the whole command line."""
    parser = argparse.ArgumentParser(
        prog="corpus-tools",
        description="Turn Chinese text into shards of token ids with exact word, phrase and entity marks.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in VERBS:
        add(verbs)
    return parser
