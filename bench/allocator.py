"""What it is worth to keep freed memory in the process: a run with glibc's malloc as it comes, and told to keep it.

    python bench/allocator.py SHARDS [--models tiny small] [--rows 32x128] [--rounds 3] [--steps 20] [--threads N]

glibc gives large blocks back to the kernel when they are freed and takes new pages for the next ones, each page faulted
in and zeroed anew; a step on a CPU frees and takes hundreds of megabytes. The side `kept` calls mallopt before torch is
imported, so that no block is mapped by itself and the heap does not shrink. Nothing else differs: both are whole runs
of `bert_wwm` with AdamW on one rank, each in a process of its own, in turn. The first steps are not timed. The gate:
every loss of a model is the same to the bit, on both sides and in each round. Prints one JSON object; ends with 1 if
the gate fails.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from rounds import compare, peak_bytes, report

SIDES: Final = ("kept", "plain")
MOST: Final = 2**31 - 1
KEEP: Final = {"M_MMAP_THRESHOLD": (-3, MOST), "M_TRIM_THRESHOLD": (-1, MOST), "M_TOP_PAD": (-2, 256 << 20)}
"""Of malloc.h: number and value. glibc before 2.35 refuses a threshold above 32 MiB for mapping."""
UNTIMED: Final = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("--models", nargs="+", default=["tiny", "small"])
    parser.add_argument("--rows", default="32x128", help="rows and tokens of a step")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help=f"of a run, the first {UNTIMED} untimed")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--train", choices=SIDES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        train(args)
        return 0
    result: dict[str, Any] = {"threads": args.threads}
    same = True
    for model in args.models:
        runs: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
        for number in range(args.rounds):
            for side in SIDES:
                runs[side].append(run_apart(args, model, side))
            speeds = {side: round(all[-1]["tokens"] / all[-1]["seconds"]) for side, all in runs.items()}
            print(f"{model}: round {number + 1} of {args.rounds}", speeds, file=sys.stderr)
        alike = all(run["losses"] == runs["plain"][0]["losses"] for all in runs.values() for run in all)
        seconds = {side: [run["seconds"] for run in all] for side, all in runs.items()}
        tokens = {side: all[0]["tokens"] for side, all in runs.items()}
        peaks = {side: round(statistics.median(run["peak"] for run in all) / 1e6) for side, all in runs.items()}
        result[model] = {"losses alike": alike, **compare(seconds, tokens, "tokens"), "most memory, MB": peaks}
        same = same and alike
    report(result, ["torch", "deepspeed", "numpy"])
    return int(not same)


def run_apart(args: argparse.Namespace, model: str, side: str) -> dict[str, Any]:
    """Train in a process of its own, and return what it says in its last line."""
    options = ["--models", model, "--rows", args.rows, "--steps", str(args.steps), "--threads", str(args.threads)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, __file__, args.shards, *options, "--train", side],
        env=environment | {"OMP_NUM_THREADS": str(args.threads)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def train(args: argparse.Namespace) -> None:
    """Make a run as `cn-bert pretrain` does, and print its losses, the seconds of its timed steps and its memory."""
    if args.train == "kept":
        keep_freed_memory()
    from cn_bert.config import load_recipe
    from cn_bert.training.log import read_log
    from cn_bert.training.run import Request, pretrain

    rows, row_tokens = args.rows.split("x")
    stage = f"stages=[{{steps: {args.steps}, row_tokens: {row_tokens}, batch_rows: {rows}}}]"
    axes = [f"model={args.models[0]}", "schedule=adamw", stage]
    quiet = ["log.every_steps=1", "log.tensorboard=false", "evaluate.max_rows=32"]
    with tempfile.TemporaryDirectory() as folder:
        pretrain(load_recipe("bert_wwm", [*axes, *quiet]), Request(Path(folder, "run"), (args.shards,)))
        lines = [line for line in read_log(Path(folder, "run", "log.jsonl")) if "loss" in line]
    timed = [(line["tokens"] - before["tokens"], line) for before, line in pairwise(lines)][UNTIMED - 1 :]
    seconds = sum(tokens / line["tokens_per_second"] for tokens, line in timed)
    losses = [line["loss"] for line in lines]
    tokens = sum(tokens for tokens, _ in timed)
    print(json.dumps({"losses": losses, "tokens": tokens, "seconds": seconds, "peak": peak_bytes()}))


def keep_freed_memory() -> None:
    """Have malloc keep what is freed; only what is taken from now on follows it."""
    malloc = ctypes.CDLL(None)
    for name, (number, value) in KEEP.items():
        if not malloc.mallopt(number, value):
            raise SystemExit(f"mallopt refuses {name} = {value}")


if __name__ == "__main__":
    sys.exit(main())
