"""Whole-word masks for 64 rows of 512 tokens: ours against the collator that transformers had until version 4.

    python bench/masks.py SHARDS [--rounds 5] [--venv FOLDER]

Both sides get the same rows with the same words: ours as flags, the old DataCollatorForWholeWordMask as ids and
`chinese_ref` lists. It runs in a process of its own, in a virtual environment with transformers 4.57.1 that this script
makes (FOLDER, by default in the user's cache; some hundred MB). Both are pinned to one core and run in turn.

The gate: every unit chosen by ours is a whole word, the budget is Google's, nothing special is chosen. Prints one JSON
object; ends with 1 if the gate fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
from rounds import compare, pin, report

from corpus_tools.masking import build_masker, masking_settings
from corpus_tools.masking.cut import Sequence, cut
from corpus_tools.masking.units import word_units
from corpus_tools.schema import NO_SPANS, SPECIAL, WORD, Flags, Ints
from corpus_tools.shards.read import ShardReader, open_shards

ROWS, LENGTH = 64, 512
OLD = ["transformers==4.57.1", "torch==2.13.0", "numpy<2.4"]
OURS_AT_ONCE, THEIRS_AT_ONCE = 200, 2
"""Batches a round."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--venv", type=Path, default=Path.home() / ".cache" / "cn-bert" / "bench-transformers-4")
    args = parser.parse_args()
    reader = open_shards(args.shards)
    vocabulary = reader.vocabulary
    full = (
        row
        for document in reader.iterate()
        for row in cut(document, LENGTH, vocabulary.cls_id, vocabulary.sep_id)
        if len(row.ids) == LENGTH
    )
    rows = [row for _, row in zip(range(ROWS), full, strict=False)]
    ids, flags = np.concatenate([row.ids for row in rows]), np.concatenate([row.flags for row in rows])
    bounds = np.arange(0, (ROWS + 1) * LENGTH, LENGTH)
    masker = build_masker(masking_settings("wwm"), vocabulary)
    keys = np.stack([np.zeros(ROWS, np.int64), np.zeros(ROWS, np.int64), np.arange(ROWS)], axis=1)

    wrong = 0
    for epoch in range(20):
        keys[:, 1] = epoch
        chosen = masker.draw_all(ids, flags, bounds, NO_SPANS, keys).chosen.reshape(ROWS, LENGTH)
        wrong += sum(fails(row.flags, picked) for row, picked in zip(rows, chosen, strict=True))

    pin()
    seconds: dict[str, list[float]] = {"ours": [], "transformers 4.57.1": []}
    with tempfile.TemporaryDirectory() as work, OldCollator(args.venv, Path(work), rows, reader) as old:
        for number in range(args.rounds + 1):
            since = time.perf_counter()
            for epoch in range(OURS_AT_ONCE):
                keys[:, 1] = number * OURS_AT_ONCE + epoch
                masker.draw_all(ids, flags, bounds, NO_SPANS, keys)
            ours = time.perf_counter() - since
            old.stdin.write("go\n")
            old.stdin.flush()
            theirs = float(old.stdout.readline())
            if number:  # the first round warms up
                seconds["ours"].append(ours)
                seconds["transformers 4.57.1"].append(theirs)
    million = ROWS * LENGTH / 1e6
    amounts = {"ours": OURS_AT_ONCE * million, "transformers 4.57.1": THEIRS_AT_ONCE * million}
    report({"rows that fail the gate": wrong, **compare(seconds, amounts, "million tokens")}, ["numba", "numpy"])
    return int(wrong > 0)


def fails(flags: Flags, picked: Ints) -> bool:
    """Say whether a row has a word partly chosen, a special token chosen, or another number of tokens than Google's."""
    units, masked, budget = word_units(flags), picked > 0, round(0.15 * LENGTH)
    sizes, hits = np.bincount(units)[1:], np.bincount(units[masked], minlength=units.max() + 1)[1:]
    partly = bool(((hits > 0) & (hits < sizes)).any())
    return partly or bool((masked & (flags & SPECIAL > 0)).any()) or not budget - 3 <= masked.sum() <= budget


class OldCollator:
    """The old collator in its own process: a line "go" makes it collate and print the seconds."""

    def __init__(self, folder: Path, work: Path, rows: list[Sequence], reader: ShardReader) -> None:
        features = [
            {"input_ids": row.ids.tolist(), "chinese_ref": np.flatnonzero(row.flags & (WORD | SPECIAL) == 0).tolist()}
            for row in rows
        ]
        Path(work, "features.json").write_text(json.dumps(features))
        Path(work, "old.py").write_text(OLD_SIDE)
        vocabulary = reader.folder / "tokenizer" / "vocab.txt"
        self.command = [str(installed(folder)), str(work / "old.py"), str(work), str(vocabulary)]

    def __enter__(self) -> Any:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        return self.process

    def __exit__(self, *error: object) -> None:
        self.process.stdin.close()
        self.process.wait()


OLD_SIDE = f"""
import json, sys, time, warnings
warnings.simplefilter("ignore")
import torch
from transformers import BertTokenizer, DataCollatorForWholeWordMask
torch.set_num_threads(1)
features = json.load(open(sys.argv[1] + "/features.json"))
collate = DataCollatorForWholeWordMask(BertTokenizer(sys.argv[2]), mlm=True, mlm_probability=0.15)
for _ in sys.stdin:
    since = time.perf_counter()
    for _ in range({THEIRS_AT_ONCE}):
        collate(features)
    print(time.perf_counter() - since, flush=True)
"""


def installed(folder: Path) -> Path:
    """Return the interpreter of the virtual environment, made and filled if it is not there."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *OLD], check=True)
        (folder / "ready").touch()
    return python


if __name__ == "__main__":
    sys.exit(main())
