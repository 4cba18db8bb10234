"""What each verb of `corpus-tools` does, once its options are read. Each returns the exit code."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from corpus_tools import summary
from corpus_tools.audit import audit
from corpus_tools.build import BuildPlan, Progress, plan_build, run_build
from corpus_tools.build_folder import examine, key_of
from corpus_tools.build_settings import BuildSettings, ListFile, make_segmenter
from corpus_tools.console import ProgressLine
from corpus_tools.encode.train import extend_vocabulary, train_vocabulary
from corpus_tools.encode.vocabulary import Vocabulary, load_vocabulary
from corpus_tools.errors import DataError, OutputError, SettingsError
from corpus_tools.files import list_lines
from corpus_tools.markup import visible
from corpus_tools.masking import Masker, build_masker, masking_settings
from corpus_tools.preview import preview, preview_html
from corpus_tools.report import number, save_page
from corpus_tools.segment import word_starts
from corpus_tools.shards.manifest import Manifest
from corpus_tools.shards.read import ShardReader, open_shards
from corpus_tools.shards.verify import verify
from corpus_tools.shards.write import finished
from corpus_tools.storage import locked
from corpus_tools.text.inputs import ReadSettings, find_inputs
from corpus_tools.text.read import Reject, read_split
from corpus_tools.text.splits import Split, plan_splits

MAX_LISTED: Final = 20
"""Lines of a list that is printed for a person."""


def run_vocab(args: Namespace) -> int:
    """Make or extend a vocabulary."""
    if args.add and not args.extend:
        raise SettingsError("--add: only with --extend. A new vocabulary takes what the text holds")
    out = Path(args.out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: exists and is not an empty folder. Take another --out")
    read = _read_settings(args)
    splits = plan_splits(find_inputs(args.inputs), settings=read)
    old = load_vocabulary(args.extend, args.cased) if args.extend else None
    words = [(line.strip(), f"{path}:{n}") for path in args.add for n, line in list_lines(path) if line.strip()]
    if args.dry_run:
        print(f"would read {_amount(splits)} and write at most {args.size:,} entries to {out}")
        return 0
    dropped = Counter[str]()
    texts = _texts(splits, read, dropped)
    made = (
        extend_vocabulary(old, texts, args.size, words) if old else train_vocabulary(texts, args.size, not args.cased)
    )
    with locked(out):
        made.save(out)
    _say_vocabulary(made, old, dropped)
    print(f"\nnext: corpus-tools build {' '.join(args.inputs)} --vocab {out} --out shards")
    return 0


def _texts(splits: Sequence[Split], read: ReadSettings, dropped: Counter[str]) -> Iterator[str]:
    for split in splits:
        for found in read_split(split, read):
            if isinstance(found, Reject):
                dropped[found.reason] += 1
            else:
                yield found.text


def _say_vocabulary(made: Vocabulary, old: Vocabulary | None, dropped: Counter[str]) -> None:
    n_han = sum(len(token) == 1 and "一" <= token <= "鿿" for token in made.tokens)
    rows: list[tuple[str, int | str]] = [
        ("entries", made.size),
        *([("of them new", made.size - old.size)] if old else []),
        ("Chinese characters", n_han),
        ("## pieces", sum(token.startswith("##") for token in made.tokens)),
        *((f"documents dropped: {reason}", n) for reason, n in sorted(dropped.items())),
        ("fingerprint", made.fingerprint[:12]),
    ]
    _print_rows(rows)


def run_build_verb(args: Namespace) -> int:
    """Build a shard folder, or say what would be built."""
    plan = plan_build(_build_settings(args))
    if args.dry_run:
        _say_plan(plan)
        return 0
    with ProgressLine() as progress:
        manifest = run_build(plan, progress)
    _say_build(manifest, plan, progress.last)
    return 0


def _build_settings(args: Namespace) -> BuildSettings:
    return BuildSettings(
        inputs=tuple(args.inputs),
        vocab=args.vocab,
        out=args.out,
        cased=args.cased,
        segmenter=args.segmenter,
        dictionaries=tuple(args.dictionaries),
        entities=tuple(map(list_file, args.entities)),
        phrases=tuple(map(list_file, args.phrases)),
        tags=tuple(tag for tag in args.tags.split(",") if tag),
        read=_read_settings(args),
        model_max_length=args.model_max_length,
        workers=args.workers,
    )


def _read_settings(args: Namespace) -> ReadSettings:
    return ReadSettings(document_ends=args.document_ends, text_field=args.text_field)


def list_file(text: str) -> ListFile:
    """Take `[KIND=]FILE` apart. A file whose own name holds `=` is meant where it exists."""
    kind, equals, path = text.partition("=")
    return (kind, path) if equals and kind and "/" not in kind and not Path(text).is_file() else (None, text)


def _say_plan(plan: BuildPlan) -> None:
    folder, settings = Path(plan.settings.out), plan.settings
    if examine(folder, plan.identity) is not None:
        print(f"{folder}: this build is finished; nothing would be done")
        return
    key = key_of(plan.identity)
    done = {job.number for job in plan.jobs if finished(folder, job.number, key)}
    vocabulary = plan.parts.encoder.vocabulary
    kinds = ", ".join(f"{visible(name)} ({mark})" for name, mark in plan.parts.encoder.kinds)
    _print_rows(
        [
            ("read", _amount(plan.splits)),
            ("write", f"{len(plan.splits)} shards to {folder}, {len(done)} of them done already"),
            ("vocabulary", f"{vocabulary.size:,} entries, lower case {'on' if vocabulary.lower_case else 'off'}"),
            ("segmenter", f"{settings.segmenter}, {len(settings.dictionaries)} user dictionaries"),
            ("kinds", kinds or "none"),
            ("workers", min(settings.n_workers, len(plan.splits))),
        ]
    )
    print()
    for n, split in list(enumerate(plan.splits))[:MAX_LISTED]:
        state = "done" if n in done else f"{split.n_bytes:,} bytes"
        print(f"  shard {n}: {visible(split.file.name)} from line {split.first_line}, {state}")
    if len(plan.splits) > MAX_LISTED:
        print(f"  ... and {len(plan.splits) - MAX_LISTED} more")


def _amount(splits: Sequence[Split]) -> str:
    n_files = len({split.file.name for split in splits})
    return f"{n_files} files, {sum(split.n_bytes for split in splits):,} bytes as stored"


def _say_build(manifest: Manifest, plan: BuildPlan, last: Progress | None) -> None:
    _print_headline(manifest)
    if last is None:
        print("\nThe build was finished already; nothing was done.")
    elif last.documents:
        speed = f"{last.tokens / last.seconds:,.0f} tokens a second with {plan.settings.n_workers} workers"
        print(f"\nThis run: {last.documents:,} documents in {last.seconds:,.1f} s, {speed}")
    out = plan.settings.out
    print(f"\nnext: corpus-tools preview {out} --masking wwm --n 3    (and open {out}/report.html)")


def run_preview(args: Namespace) -> int:
    """Print masked sequences, or write them as a page."""
    reader, masker = _reader_and_masker(args)
    if args.html:
        save_page(args.html, preview_html(reader, masker, args.n, args.seed, args.row_tokens))
        print(f"written: {args.html}", file=sys.stderr)
    else:
        preview(reader, masker, args.n, args.seed, args.row_tokens)
    return 0


def run_audit(args: Namespace) -> int:
    """Print what a masking does to a folder."""
    reader, masker = _reader_and_masker(args)
    found = audit(reader, masker, args.row_tokens, args.seed, args.limit)
    if args.json:
        _print_json(found)
    else:
        _print_rows(list(_flat(found)))
    return 0


def _reader_and_masker(args: Namespace) -> tuple[ShardReader, Masker]:
    settings = masking_settings(args.masking)
    reader = open_shards(args.folder)
    return reader, build_masker(settings, reader.vocabulary)


def _flat(found: dict[str, Any], place: str = "") -> Iterator[tuple[str, int | str]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", f"{value:.4f}" if isinstance(value, float) else value


def run_stats(args: Namespace) -> int:
    """Print what a folder holds."""
    reader = open_shards(args.folder)
    found = summary.distributions(reader)
    if args.json:
        _print_json(summary.to_json(reader, found))
        return 0
    _print_headline(reader.manifest)
    print("\ndocuments by tokens")
    _print_shares(list(zip(summary.length_labels(), found.documents_by_length, strict=True)))
    print("\nwords by tokens")
    _print_shares([(summary.word_label(n), count) for n, count in enumerate(found.words_by_length, start=1)])
    print("\nwords in a document")
    _print_rows([(name, f"{value:,.1f}") for name, value in found.words_per_document.items()])
    return 0


def run_verify(args: Namespace) -> int:
    """Check a folder in full."""
    verdict = verify(args.folder)
    if args.json:
        _print_json(verdict.to_json())
    else:
        for problem in verdict.problems:
            print(visible(problem))
        if not verdict.problems:
            print(
                f"{args.folder}: sound. {verdict.documents:,} documents, {verdict.tokens:,} tokens, every hash agrees"
            )
    return DataError.exit_code if verdict.problems else 0


def run_segment(args: Namespace) -> int:
    """Segment standard input line by line. White space between words is not repeated."""
    segmenter = make_segmenter(args.segmenter, tuple(args.dictionaries))
    # In UTF-8 whatever the locale says, and split at "\n" alone.
    for n, raw in enumerate(sys.stdin.buffer, start=1):
        try:
            text = raw.decode("utf-8").removesuffix("\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"standard input, line {n}: not UTF-8 (byte {error.start + 1}). Convert it first"
            ) from error
        words = [text[start:end] for start, end in pairwise([*word_starts(segmenter, text), len(text)])]
        line = args.separator.join(word for word in words if not word.isspace())
        sys.stdout.buffer.write(line.encode() + b"\n")
    return 0


VERBS: Final[dict[str, Callable[[Namespace], int]]] = {
    "vocab": run_vocab,
    "build": run_build_verb,
    "preview": run_preview,
    "audit": run_audit,
    "stats": run_stats,
    "verify": run_verify,
    "segment": run_segment,
}


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False))


def _print_rows(rows: Sequence[tuple[str, int | str]]) -> None:
    _print_table([(name, number(value) if isinstance(value, int) else value) for name, value in rows])


def _print_shares(rows: Sequence[tuple[str, int]]) -> None:
    whole = sum(count for _, count in rows)
    _print_table([(name, number(count), summary.share(count, whole)) for name, count in rows], justify="right")


def _print_headline(manifest: Manifest) -> None:
    _print_table([(name, number(value), note) for name, value, note in summary.headline(manifest)], justify="right")
    if rows := summary.kind_rows(manifest):
        print("\nentities and phrases")
        _print_table([(f"{kind} ({mark})", number(count)) for mark, kind, count in rows], justify="right")


def _print_table(rows: Sequence[Sequence[str]], justify: Literal["left", "right"] = "left") -> None:
    """Print columns as wide as what is in them (a Chinese character is two wide), all but the first justified so."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for _ in rows[0][1:] if rows else ():
        table.add_column(justify=justify, overflow="fold")
    for row in rows:
        # As Text, for a name with brackets would be markup.
        table.add_row(*(Text(visible(cell)) for cell in row))
    Console(highlight=False).print(table)
