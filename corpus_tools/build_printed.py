"""What a build says to the person who started it: what it would do, what it has done, and what to do next."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from corpus_tools.build import BuildPlan
from corpus_tools.build_folder import examine
from corpus_tools.build_work import Job
from corpus_tools.drop_list import DropList
from corpus_tools.estimate import estimate
from corpus_tools.markup import visible
from corpus_tools.printed import MOST_LISTED, print_headline, print_rows
from corpus_tools.progress import Progress, duration
from corpus_tools.report import counted
from corpus_tools.shards.manifest import REJECTS, Manifest
from corpus_tools.shards.write import finished
from corpus_tools.text.splits import Split

ALL_READ: Final = 0.999
"""Above this share of the inputs an estimate is a count."""
MOST_UNKNOWN: Final = 0.5
"""Above this share of [UNK] among the tokens the vocabulary is one for other text."""

_log = logging.getLogger(__name__)


def print_plan(plan: BuildPlan) -> None:
    """Print what a build would do, and what it would come to by a sample."""
    folder, settings = Path(plan.settings.out), plan.settings
    if examine(folder, plan.basis, settings.part) is not None:
        print(f"{folder}: this build is finished; nothing would be done")
        return
    jobs, key = plan.jobs, plan.order.key
    left = [job for job in jobs if not finished(folder, job.number, key)]
    vocabulary = plan.parts.encoder.vocabulary
    kinds = ", ".join(f"{visible(name)} ({mark})" for name, mark in plan.parts.encoder.kinds)
    print_rows(
        [
            ("read", amount(plan.splits)),
            ("write", f"{counted(len(jobs), 'shard')} to {folder}, {len(jobs) - len(left)} of them done already"),
            *([("part", f"{settings.part} of {counted(len(plan.splits), 'shard')}")] if settings.part else []),
            ("vocabulary", f"{vocabulary.size:,} entries, lower case {'on' if vocabulary.lower_case else 'off'}"),
            ("segmenter", f"{settings.segmenter}, {len(settings.dictionaries)} user dictionaries"),
            ("kinds", kinds or "none"),
            ("workers", _at_once(plan, left)),
        ]
    )
    print()
    for job in left[:MOST_LISTED]:
        split = job.split
        print(f"  shard {job.number}: {visible(split.file.name)} from line {split.first_line}, {split.n_bytes:,} bytes")
    if len(left) > MOST_LISTED:
        print(f"  ... and {len(left) - MOST_LISTED} more")
    _print_estimate(plan, left)


def _print_estimate(plan: BuildPlan, left: Sequence[Job]) -> None:
    made = estimate(plan, left)
    amounts = made.amounts
    unlike = "" if made.read > ALL_READ else ", if what was not read is like it"
    print(f"\nestimate, from {made.sampled:,} documents and {made.read:.0%} of what is left to read{unlike}")
    print_rows(
        [
            ("documents", f"{amounts.documents:,.0f}"),
            *((f"dropped: {reason}", f"{n:,.0f}") for reason, n in sorted(amounts.dropped.items())),
            ("tokens", f"{amounts.tokens:,.0f}, give or take {made.error:.0%}"),
            ("bytes of the shards", f"{amounts.bytes:,.0f}"),
            ("time", f"{duration(made.seconds)} with {counted(_at_once(plan, left), 'worker')}, a processor for each"),
            ("memory of a worker", f"{made.memory / (1 << 20):,.0f} MiB"),
            *((f"not in it: {visible(name)}", "its size is not known beforehand") for name in made.left_out),
        ]
    )
    _warn_of_unknown(plan.settings.vocab, amounts.unknown, amounts.tokens)


def _warn_of_unknown(vocab: str, n_unknown: float, n_tokens: float) -> None:
    if n_unknown > MOST_UNKNOWN * n_tokens:
        _log.warning(
            "%.0f %% of the tokens are [UNK]: the vocabulary %s does not fit the text. Take another --vocab, or have "
            "`corpus-tools vocab` make one",
            100 * n_unknown / n_tokens,
            vocab,
        )


def _at_once(plan: BuildPlan, left: Sequence[Job]) -> int:
    """Return how many workers have something to do."""
    return min(plan.settings.n_workers, len(left))


def amount(splits: Sequence[Split]) -> str:
    """Say how much there is to read."""
    n_files = len({split.file.name for split in splits})
    return f"{counted(n_files, 'file')}, {sum(split.n_bytes for split in splits):,} bytes as stored"


def print_build(manifest: Manifest, plan: BuildPlan, last: Progress | None) -> None:
    """Print what a build has made, from its manifest and the last that this run said of its progress."""
    print_headline(manifest)
    if last is None:
        print("\nThe build was finished already; nothing was done.")
    elif last.documents:
        workers = counted(_at_once(plan, plan.jobs), "worker")
        speed = f"{last.tokens / last.seconds:,.0f} tokens a second with {workers}"
        print(f"\nThis run: {counted(last.documents, 'document')} in {last.seconds:,.1f} s, {speed}")
    _warn_of_unknown(plan.settings.vocab, manifest.counters["unknown_tokens"], manifest.tokens)
    if plan.settings.drop and manifest.part is None:
        _print_unused(plan.settings.drop, Path(plan.settings.out, REJECTS))
    if (part := manifest.part) is None:
        print_next(plan.settings.out)
    else:
        print(f"\nnext, when all parts are built: corpus-tools merge PART... --out DIR    (this is part {part})")


def _print_unused(drop: str, rejects: Path) -> None:
    named = DropList(drop)
    if unused := named.unused(rejects):
        print(f"\n{unused:,} of {len(named):,} lines of {drop} name no document that was read")


def print_next(folder: str) -> None:
    """Print what to do with a finished folder."""
    print(f"\nnext: corpus-tools preview {folder} --masking wwm --n 3    (and open {folder}/report.html)")
