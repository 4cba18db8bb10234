"""What each verb of `corpus-tools` does, once its options are read. Each returns the exit code."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress as Bar

from corpus_tools import summary
from corpus_tools.audit import audit
from corpus_tools.build import plan_build, run_build
from corpus_tools.build_printed import amount, print_build, print_next, print_plan
from corpus_tools.build_report import corpus_page
from corpus_tools.build_settings import BuildSettings, ListFile, make_segmenter
from corpus_tools.commonest import commonest
from corpus_tools.console import ProgressLine
from corpus_tools.dedup import DedupSettings, find_duplicates
from corpus_tools.encode.train import extend_vocabulary, train_vocabulary
from corpus_tools.encode.vocabulary import Vocabulary, load_vocabulary
from corpus_tools.errors import DataError, OutputError, SettingsError
from corpus_tools.export import build_form
from corpus_tools.export.run import check_free, export
from corpus_tools.files import list_lines
from corpus_tools.markup import visible
from corpus_tools.masking import build_masker, masking_settings
from corpus_tools.merge import merge, plan_merge
from corpus_tools.phrases import PhraseSettings, mine_phrases
from corpus_tools.preview_page import preview_html
from corpus_tools.preview_terminal import preview
from corpus_tools.printed import print_headline, print_rows, print_stats
from corpus_tools.progress import Progress
from corpus_tools.report import save_page
from corpus_tools.scratch import refuse_existing
from corpus_tools.segment import word_starts
from corpus_tools.shards.manifest import Part
from corpus_tools.shards.read import open_shards
from corpus_tools.shards.verify import verify
from corpus_tools.storage import locked
from corpus_tools.text.filters import Filters
from corpus_tools.text.inputs import ReadSettings, find_inputs
from corpus_tools.text.read import Reject, read_split
from corpus_tools.text.simplify import Simplifier
from corpus_tools.text.splits import Split, plan_splits
from corpus_tools.whole_corpus import Progress as PassProgress


def run_vocab(args: Namespace) -> int:
    """Make or extend a vocabulary."""
    if args.add and not args.extend:
        raise SettingsError("--add: only with --extend. A new vocabulary takes what the text holds")
    out = Path(args.out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: exists and is not an empty folder. Take another --out")
    read = _read_settings(args)
    splits = plan_splits(find_inputs(args.inputs, read), settings=read)
    old = load_vocabulary(args.extend, args.cased) if args.extend else None
    words = [(line.strip(), f"{path}:{n}") for path in args.add for n, line in list_lines(path) if line.strip()]
    if args.dry_run:
        print(f"would read {amount(splits)} and write at most {args.size:,} entries to {out}")
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
    print_rows(rows)


def run_build_verb(args: Namespace) -> int:
    """Build a shard folder, or say what would be built."""
    plan = plan_build(_build_settings(args))
    if args.dry_run:
        print_plan(plan)
        return 0
    with ProgressLine[Progress]() as progress:
        manifest = run_build(plan, progress)
    print_build(manifest, plan, progress.last)
    return 0


def run_merge(args: Namespace) -> int:
    """Merge the parts of a build, or say what would be merged."""
    plan = plan_merge(args.parts)
    if args.dry_run:
        print(f"would link {len(plan.shards)} shards of {len(plan.parts)} parts into {args.out}")
        return 0
    with ProgressLine[str]() as progress:
        manifest = merge(plan, args.out, progress)
    print_headline(manifest)
    print_next(args.out)
    return 0


def _build_settings(args: Namespace) -> BuildSettings:
    return BuildSettings(
        inputs=tuple(args.inputs),
        vocab=args.vocab,
        out=args.out,
        cased=args.cased,
        segmenter=args.segmenter,
        dictionaries=tuple(args.dictionaries),
        segment_as=args.segment_as,
        clean=_names(args.clean),
        filters=_filters(args),
        entities=tuple(map(list_file, args.entities)),
        phrases=tuple(map(list_file, args.phrases)),
        knowledge=tuple(map(list_file, args.knowledge)),
        spans=args.spans,
        kinds=_names(args.kinds),
        phrase_kinds=_names(args.phrase_kinds),
        tags=_names(args.tags),
        drop=args.drop,
        read=_read_settings(args),
        model_max_length=args.model_max_length,
        workers=args.workers,
        engine=args.engine,
        ray_address=args.ray_address,
        part=Part.parse(args.shard) if args.shard else None,
    )


def _read_settings(args: Namespace) -> ReadSettings:
    return ReadSettings(
        document_ends=args.document_ends,
        text_field=args.text_field,
        span_field=args.span_field,
        inline_tags=_names(args.inline_tags),
        document_sentences=args.document_sentences,
        encoding=args.encoding,
        bad_bytes=args.bad_bytes,
        max_members=args.max_members,
        max_unpacked=args.max_unpacked,
    )


def _filters(args: Namespace) -> Filters:
    """Take what was asked for; the rest is as `Filters` has it."""
    asked = {field.name: getattr(args, field.name) for field in fields(Filters)}
    return Filters(**{name: value for name, value in asked.items() if value is not None})


def _names(text: str) -> tuple[str, ...]:
    """Take `NAME,...` apart."""
    return tuple(name for name in text.split(",") if name)


def list_file(text: str) -> ListFile:
    """Take `[KIND=]FILE` apart. A file whose own name holds `=` is meant where it exists."""
    kind, equals, path = text.partition("=")
    return (kind, path) if equals and kind and "/" not in kind and not Path(text).is_file() else (None, text)


def run_preview(args: Namespace) -> int:
    """Print masked sequences, or write them as a page."""
    settings = {name: masking_settings(name) for names in args.masking for name in names.split(",")}
    reader = open_shards(args.folder)
    maskers = {name: build_masker(chosen, reader.vocabulary) for name, chosen in settings.items()}
    if args.html:
        save_page(args.html, preview_html(reader, maskers, args.n, args.seed, args.row_tokens))
        print(f"written: {args.html}", file=sys.stderr)
    else:
        preview(reader, maskers, args.n, args.seed, args.row_tokens)
    return 0


def run_audit(args: Namespace) -> int:
    """Print what a masking does to a folder."""
    settings = masking_settings(args.masking)
    reader = open_shards(args.folder)
    masker = build_masker(settings, reader.vocabulary)
    found = audit(reader, masker, args.row_tokens, args.seed, args.limit)
    if args.json:
        _print_json(found)
    else:
        print_rows(list(_flat(found)))
    return 0


def _flat(found: dict[str, Any], place: str = "") -> Iterator[tuple[str, int | str]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", f"{value:.4f}" if isinstance(value, float) else value


def run_stats(args: Namespace) -> int:
    """Print what a folder holds."""
    reader = open_shards(args.folder)
    if args.html:
        save_page(args.html, corpus_page(reader))
        print(f"written: {args.html}", file=sys.stderr)
    elif args.json:
        _print_json(summary.to_json(reader.manifest, commonest(reader)))
    else:
        print_stats(reader.manifest, commonest(reader))
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


def run_export(args: Namespace) -> int:
    """Write a folder in another form, or say what would be written."""
    names = ("row_tokens", "masking", "dupe_factor", "seed")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    form = build_form({"name": args.to, **given})
    reader, out = open_shards(args.folder), Path(args.out)
    check_free(out)
    n_rows = form.n_rows(reader)
    if args.dry_run:
        n_bytes = form.n_bytes(reader)
    else:
        with Bar(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
            n_bytes = export(reader, form, out, partial(bar.advance, bar.add_task("export", total=n_rows)))
    if args.json:
        _print_json({"to": args.to, "out": args.out, "documents": len(reader), "rows": n_rows, "bytes": n_bytes})
    else:
        did, about = ("would write", "about ") if args.dry_run else ("wrote", "")
        print(f"{did} {n_rows:,} rows of {len(reader):,} documents to {out}, {about}{n_bytes:,} bytes")
    return 0


def run_dedup(args: Namespace) -> int:
    """Write the list of duplicates, or say what would be read."""
    settings = DedupSettings(
        inputs=tuple(args.inputs), out=args.out, near=args.near, read=_read_settings(args), workers=args.workers
    )
    if args.dry_run:
        return _say_list_plan(args, settings.splits(), settings.n_workers)
    with ProgressLine[PassProgress]() as progress:
        found = find_duplicates(settings, progress)
    return _say_list(args, found.to_json(), "--drop")


def run_phrases(args: Namespace) -> int:
    """Write the list of phrases, or say what would be read."""
    settings = PhraseSettings(
        inputs=tuple(args.inputs),
        out=args.out,
        min_count=args.min_count,
        min_pmi=args.min_pmi,
        min_entropy=args.min_entropy,
        max_words=args.max_words,
        segmenter=args.segmenter,
        dictionaries=tuple(args.dictionaries),
        read=_read_settings(args),
        workers=args.workers,
    )
    if args.dry_run:
        make_segmenter(settings.segmenter, settings.dictionaries)
        return _say_list_plan(args, settings.splits(), settings.n_workers)
    with ProgressLine[PassProgress]() as progress:
        found = mine_phrases(settings, progress)
    return _say_list(args, found.to_json(), "--phrases")


def _say_list_plan(args: Namespace, splits: Sequence[Split], n_workers: int) -> int:
    refuse_existing(Path(args.out))
    if args.json:
        _print_json({"out": args.out, "bytes": sum(split.n_bytes for split in splits), "parts": len(splits)})
    else:
        print_rows([("read", amount(splits)), ("write", args.out), ("workers", min(n_workers, len(splits)))])
    return 0


def _say_list(args: Namespace, found: dict[str, Any], option: str) -> int:
    if args.json:
        _print_json({"out": args.out, **found})
    else:
        print_rows([(name.replace("_", " "), value) for name, value in found.items()])
        print(f"\nlook at {args.out}, then: corpus-tools build {' '.join(args.inputs)} {option} {args.out} ...")
    return 0


def run_segment(args: Namespace) -> int:
    """Segment standard input line by line. White space between words is not repeated."""
    segmenter = make_segmenter(args.segmenter, tuple(args.dictionaries))
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


VERBS: Final[dict[str, Callable[[Namespace], int]]] = {
    "vocab": run_vocab,
    "build": run_build_verb,
    "merge": run_merge,
    "preview": run_preview,
    "audit": run_audit,
    "stats": run_stats,
    "verify": run_verify,
    "export": run_export,
    "dedup": run_dedup,
    "phrases": run_phrases,
    "segment": run_segment,
}


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False))
