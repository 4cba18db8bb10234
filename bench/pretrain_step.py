"""The pre-training step: ours against transformers' Trainer, all sides in turn, real tokens a second.

    python bench/pretrain_step.py SHARDS --model tiny --rows 32x128 [--natural] [--compile] [--rounds 5] [--steps 4]

Full rows are windows that fill a row, so nobody pads. `--natural` has sequences of whole sentences as they come: ours
packs them into rows, Trainer fills each batch up to its longest, and once more with `group_by_length`. All train on
the same masked sequences with AdamW and clipping, on one GPU or on all processors. Trainer has `BertForMaskedLM` with
sdpa, on a CPU in fp32 (its default) and in bf16, on a GPU in bf16 and with `torch_compile`; dropout is 0.1 and 0. Ours
is the step of `cn-bert pretrain` under DeepSpeed on one rank, `--compile` adds it with compiled layers.

Each side is a process of its own that waits while the others work; every round trains some steps untimed first. The
gate: on the same weights and sequences, loss and gradients of ours equal transformers' in fp32, and in bf16 the
gradients point the same way. Data and masks are made beside our steps, and timed apart. Peak memory is torch's own
account on a GPU and the process's on a CPU. `--profile FILE` writes where a few of our steps spend their time, as
FILE.txt and FILE.trace.json.gz. Prints one JSON object; ends with 1 if the gate fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import torch
from rounds import compare, report
from step_data import add_options, sequences_of, step_data
from step_sides import OurSide, TrainerSide

ANSWER: Final = "answer "
PLAIN: Final = "ours"
COMPILED: Final = "ours compiled"
DROPOUTS: Final = ("0", "0.1")
PRECISIONS: Final = {"cpu": ("fp32", "bf16"), "cuda": ("bf16",)}
"""Of Trainer."""
TORCH_COMPILE: Final = "Trainer bf16 torch_compile, dropout 0.1"
"""On a GPU and full rows: on natural lengths it would be compiled for many shapes."""
MIB: Final = 1 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="show ours with compiled layers too")
    parser.add_argument("--alone", action="store_true", help="leave Trainer out")
    parser.add_argument("--profile", help="path, without ending, of what the profiler saw")
    parser.add_argument("--serve", choices=(PLAIN, COMPILED, "trainer"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: there is no GPU that torch can use")
    if args.serve:
        return serve(args)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as work:
        args.work = work
        result["seconds of data and masks a step"] = write_sequences(args)
        result |= run_sides(args)
    result["malloc"] = {key: os.environ[key] for key in sorted(os.environ) if key.startswith("MALLOC_")} or "plain"
    report(result, ["torch", "transformers", "deepspeed", "numpy"])
    return int(not all(found["passed"] for found in result["gate"].values()))


def write_sequences(args: argparse.Namespace) -> float:
    """Leave Trainer the sequences that ours trains on, and return the seconds of making a step's."""
    data = step_data(args)
    data.step(0)
    since = time.perf_counter()
    batches = [data.step(number) for number in range(args.untimed + args.steps * (8 if args.natural else 1))]
    seconds = (time.perf_counter() - since) / len(batches)
    Path(args.work, "sequences.json").write_text(json.dumps([s for batch in batches for s in sequences_of(batch)]))
    return round(seconds, 4)


def run_sides(args: argparse.Namespace) -> dict[str, Any]:
    """Have all sides work in turn, and gather what they say."""
    device = "cuda" if torch.cuda.is_available() and args.device != "cpu" else "cpu"
    ours = [COMPILED, PLAIN] if args.compile else [PLAIN]
    theirs = [f"Trainer {kind}, dropout {p}" for kind in PRECISIONS[device] for p in reversed(DROPOUTS)]
    if args.alone:
        theirs = []
    elif args.natural:
        theirs += [f"{name}, group_by_length" for name in theirs]
    elif device == "cuda":
        theirs.append(TORCH_COMPILE)
    children = {name: Child(args, name) for name in [*ours, *(["trainer"] if theirs else [])]}
    try:
        sides = {f"{name}, dropout {p}": children[name] for name in ours for p in DROPOUTS}
        sides |= dict.fromkeys(theirs, children.get("trainer"))
        result: dict[str, Any] = {"gate": {name: children[name].ask("gate") for name in ours}}
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        tokens: dict[str, float] = {}
        peaks = dict.fromkeys(sides, 0.0)
        for number in range(args.rounds):
            for name, child in sides.items():
                answer = child.ask(name)
                seconds[name].append(answer["seconds"])
                tokens[name] = answer["tokens"]
                peaks[name] = max(peaks[name], round(answer["bytes"] / MIB))
            speeds = {name: round(tokens[name] / all[-1]) for name, all in seconds.items()}
            print(f"round {number + 1} of {args.rounds}", speeds, file=sys.stderr)
        result |= compare(seconds, tokens, "real tokens")
        result["most memory, MiB"] = peaks
        result["share of the peak of products"] = {name: children[name].ask("share") for name in ours}
        if args.profile:
            result["profile"] = {name: children[name].ask(f"profile {args.profile}") for name in ours[:1]}
    finally:
        for child in children.values():
            child.close()
    return result


class Child:
    """A process that answers each line with a line of JSON."""

    def __init__(self, args: argparse.Namespace, serve: str) -> None:
        values = {"model": args.model, "rows": args.rows, "steps": args.steps, "untimed": args.untimed}
        values |= {"micro-rows": args.micro_rows, "entries": args.entries, "device": args.device, "work": args.work}
        options = [word for key, value in values.items() if value is not None for word in (f"--{key}", str(value))]
        line = [sys.executable, __file__, args.shards, *options, *(["--natural"] * args.natural), "--serve", serve]
        self.process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line and wait for what comes of it."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        found = next((line for line in self.process.stdout if line.startswith(ANSWER)), None)
        if found is None:
            raise SystemExit(f"'{line}': the process that should answer has ended, see above")
        return json.loads(found[len(ANSWER) :])


def serve(args: argparse.Namespace) -> int:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    side = TrainerSide(args) if args.serve == "trainer" else OurSide(args, compiled=args.serve == COMPILED)
    for line in sys.stdin:
        print(ANSWER + json.dumps(side.answer(line.strip())), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
