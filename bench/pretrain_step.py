"""The pre-training step on a CPU: ours against transformers' Trainer, both sides in turn, real tokens a second.

    python bench/pretrain_step.py SHARDS --model tiny --rows 32x128 [--natural] [--rounds 5] [--steps 4]

Full rows are windows that fill a row, so nobody pads. `--natural` has sequences of whole sentences as they come: ours
packs them into rows, Trainer fills each batch up to its longest, and once more with `group_by_length`. All train on
the same masked sequences with AdamW and clipping, on all processors. Trainer has `BertForMaskedLM` with sdpa, in fp32
(its default) and in bf16, with dropout 0.1 and 0; ours is the step of `cn-bert pretrain` under DeepSpeed on one rank.

Each side is a process of its own that waits while the others work; every round trains some steps untimed first. The
gate: on the same weights and sequences, loss and gradients of ours equal transformers' in fp32, and in bf16 the
gradients point the same way. Data and masks are timed apart. Prints one JSON object; ends with 1 if the gate fails.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from rounds import compare, report
from torch import Tensor, nn
from transformers import BertConfig, BertForMaskedLM, Trainer, TrainerCallback, TrainingArguments

from cn_bert.config import Recipe, load_recipe
from cn_bert.data.batches import StepBatch, StepData
from cn_bert.data.mixture import open_mixture
from cn_bert.data.sequences import build_sequences
from cn_bert.data.sequences.kind import NO_LABEL, EpochText, Made, Stream
from cn_bert.data.steps import Plans, Steps
from cn_bert.training.run_folder import fill_recipe
from corpus_tools.masking import build_masker
from corpus_tools.shards.read import open_shards

Sequences = list[tuple[list[int], list[int]]]
"""Ids and labels of each sequence, -100 where nothing is predicted."""
OURS: Final = ("ours, dropout 0", "ours, dropout 0.1")
TRAINER: Final = tuple(f"Trainer {kind}, dropout {p}" for kind in ("fp32", "bf16") for p in ("0.1", "0"))
ANSWER: Final = "answer "
GROUPED: Final = tuple(f"{name}, group_by_length" for name in TRAINER)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--rows", default="32x128", help="rows and tokens of a step")
    parser.add_argument("--natural", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="timed steps of a round")
    parser.add_argument("--serve", choices=("ours", "trainer"), help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as work:
        args.work = work
        data = step_data(args)
        data.step(0)
        since = time.perf_counter()
        n_steps = args.steps + 1 if not args.natural else 8 * args.steps
        batches = [data.step(number) for number in range(n_steps)]
        result["seconds of data and masks a step"] = round((time.perf_counter() - since) / len(batches), 4)
        Path(work, "sequences.json").write_text(json.dumps([s for batch in batches for s in sequences_of(batch)]))
        with Child(args, "ours") as ours, Child(args, "trainer") as trainer:
            result |= ours.ask("gate")
            sides = dict.fromkeys(OURS, ours) | dict.fromkeys(TRAINER, trainer)
            sides |= dict.fromkeys(GROUPED, trainer) if args.natural else {}
            seconds: dict[str, list[float]] = {name: [] for name in sides}
            tokens: dict[str, float] = {}
            for number in range(args.rounds):
                for name, child in sides.items():
                    answer = child.ask(name)
                    seconds[name].append(answer["seconds"])
                    tokens[name] = answer["tokens"]
                speeds = {name: round(tokens[name] / all[-1]) for name, all in seconds.items()}
                print(f"round {number + 1} of {args.rounds}", speeds, file=sys.stderr)
            result |= ours.ask("share")
    result |= compare(seconds, tokens, "real tokens")
    result["malloc"] = {key: os.environ[key] for key in sorted(os.environ) if key.startswith("MALLOC_")} or "plain"
    report(result, ["torch", "transformers", "deepspeed", "numpy"])
    return int(not result["gate"]["passed"])


class Child:
    """A process that answers each line with a line of JSON."""

    def __init__(self, args: argparse.Namespace, what: str) -> None:
        options = ["--model", args.model, "--rows", args.rows, "--steps", str(args.steps), "--work", args.work]
        self.command = [
            sys.executable,
            __file__,
            args.shards,
            *options,
            *(["--natural"] * args.natural),
            "--serve",
            what,
        ]

    def __enter__(self) -> Child:
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *error: object) -> None:
        self.process.stdin.close()
        self.process.wait()

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line and wait for what comes of it."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(next(line for line in self.process.stdout if line.startswith(ANSWER))[len(ANSWER) :])


@dataclass(frozen=True)
class FullWindows:
    """Windows of a document that fill a row; what is left over is left out."""

    labelled: ClassVar[bool] = False
    max_tokens: int | None = None

    def walk(self, text: EpochText, document: int, max_tokens: int, draw: Stream) -> Iterator[Made]:
        room, n_tokens = max_tokens - 2, text.bounds(document)[-1]
        for start in range(0, n_tokens - room + 1, room):
            yield NO_LABEL, ((document, start, start + room),)


def recipe_of(args: argparse.Namespace) -> Recipe:
    rows, row_tokens = args.rows.split("x")
    stages = f"stages=[{{steps: 1000, row_tokens: {row_tokens}, batch_rows: {rows}}}]"
    axes = [f"model={args.model}", "schedule=adamw", "sequences=doc_sentences", "objectives=[{name: mlm}]"]
    return fill_recipe(load_recipe("bert_wwm", [*axes, stages]).recipe)


def step_data(args: argparse.Namespace) -> StepData:
    """Open the shards as a run does."""
    recipe = recipe_of(args)
    stage = recipe.stages[0]
    mixture = open_mixture([(args.shards, 1.0)], recipe.held_out)
    kind = build_sequences(recipe.sequences) if args.natural else FullWindows()
    plans = Plans(mixture, kind, seed=1, row_tokens=stage.row_tokens, folder=Path(args.work))
    steps = Steps(plans, batch_rows=stage.batch_rows, first_epoch=0)
    masker = build_masker(recipe.masking, mixture.vocabulary)
    return StepData(mixture, steps, lambda number: masker, micro_rows=stage.batch_rows)


def sequences_of(batch: StepBatch) -> Sequences:
    """Take packed rows apart into what Trainer's collator is given."""
    found: Sequences = []
    for micro in batch.micro_batches:
        labels = torch.full_like(micro.input_ids[0], -100)
        labels[micro.masked_positions] = micro.labels
        ids, labels = micro.input_ids[0].tolist(), labels.tolist()
        found += [(ids[start:end], labels[start:end]) for start, end in pairwise(micro.layout.bounds.tolist())]
    return found


def pad(features: Sequences) -> dict[str, Tensor]:
    """Fill sequences up to the longest."""
    longest = max(len(ids) for ids, _ in features)
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in features])
    labels = torch.tensor([labels + [-100] * (longest - len(labels)) for _, labels in features])
    return {
        "input_ids": ids,
        "attention_mask": (torch.arange(longest) < torch.tensor([[len(i)] for i, _ in features])).long(),
        "labels": labels,
    }


def serve(args: argparse.Namespace) -> int:
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    answer = (OurSide if args.serve == "ours" else TrainerSide)(args).answer
    for line in sys.stdin:
        print(ANSWER + json.dumps(answer(line.strip())), flush=True)
    return 0


class OurSide:
    """The step of `cn-bert pretrain`, one rank."""

    def __init__(self, args: argparse.Namespace) -> None:
        from cn_bert.models import build_model
        from cn_bert.objectives import build_objectives
        from cn_bert.training.engine import fill_ds_config, make_engine, read_ds_config, start_ranks
        from cn_bert.training.module import PretrainingModule
        from cn_bert.training.optim import build_optimizer
        from cn_bert.training.precision import DTYPES, resolve_precision

        self.args, self.recipe = args, recipe_of(args)
        self.ranks = start_ranks()
        self.data = step_data(args)
        self.batches = [self.data.step(number) for number in range(args.steps + 1)]
        self.objectives = build_objectives(self.recipe.objectives)
        torch.manual_seed(0)
        vocabulary = open_shards(args.shards).vocabulary
        self.n_entries = vocabulary.size
        model = build_model(self.recipe.model, vocabulary.size, vocabulary.pad_id, 0.1)
        self.precision = resolve_precision("auto", self.ranks.device)
        self.module = PretrainingModule(model, DTYPES[self.precision])
        optimizer = build_optimizer(model, self.recipe.optimizer)
        self.engine = make_engine(self.module, optimizer, fill_ds_config(read_ds_config(None), self.recipe, 1))
        self.dropouts = [one for one in self.module.modules() if isinstance(one, nn.Dropout) and one.p]
        self.seconds: list[float] = []

    def answer(self, line: str) -> dict[str, Any]:
        if line == "gate":
            return {"gate": gate(self.module.model, self.batches[0], self.objectives), "precision": self.precision}
        if line == "share":
            return self.share()
        return self.train(float(line.rpartition(" ")[2]))

    def train(self, dropout: float) -> dict[str, Any]:
        from cn_bert.training.loop import train_step

        for module in self.dropouts:
            module.p = dropout
        self.module.train()
        for number, batch in enumerate(self.batches):
            if number == 1:
                since = time.perf_counter()
            train_step(self.engine, batch, self.objectives, self.ranks, seed=0, step=number + 1, lr=1e-4)
        seconds = time.perf_counter() - since
        if not dropout:
            self.seconds.append(seconds)
        return {"seconds": seconds, "tokens": sum(batch.n_real_tokens for batch in self.batches[1:])}

    def share(self) -> dict[str, Any]:
        from cn_bert.training.flops import ModelFlops

        micro = [one for batch in self.batches[1:] for one in batch.micro_batches]
        flops = ModelFlops.of(self.recipe.model, self.n_entries).training(micro, self.objectives)
        peak = product_peak(torch.bfloat16 if self.precision == "bf16" else torch.float32)
        share = flops / statistics.median(self.seconds) / peak
        return {
            "peak of its products, TFLOP/s": round(peak / 1e12, 3),
            "ours without dropout, share of that peak": round(share, 3),
        }


def product_peak(dtype: torch.dtype) -> float:
    """Return the most operations a second that a product of two large matrices reached."""
    left = torch.randn(2048, 2048).to(dtype)
    best = math.inf
    for _ in range(12):
        since = time.perf_counter()
        left @ left.t()
        best = min(best, time.perf_counter() - since)
    return 2 * 2048**3 / best


def gate(model: Any, batch: StepBatch, objectives: Any) -> dict[str, Any]:
    """Compare loss and gradients with transformers' own forward on the same sequences, dropout off."""
    from cn_bert.training.module import PretrainingModule

    theirs = BertForMaskedLM(BertConfig(**{**model.config.to_dict(), "attn_implementation": "sdpa"}))
    theirs.load_state_dict({k: v for k, v in model.state_dict().items() if k in theirs.state_dict()}, strict=False)
    names = [name for name, parameter in theirs.named_parameters()]
    theirs.eval()
    loss = theirs(**pad(sequences_of(batch))).loss
    wanted = dict(zip(names, torch.autograd.grad(loss, list(theirs.parameters())), strict=True))
    found: dict[str, Any] = {}
    model.eval()
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        module = PretrainingModule(model, dtype)
        ours, _ = module(batch.micro_batches[0], objectives, {"mlm": 1 / batch.counts["mlm"]})
        gradients = dict(
            zip(names, torch.autograd.grad(ours, [dict(model.named_parameters())[n] for n in names]), strict=True)
        )
        cosines = {
            n: torch.cosine_similarity(gradients[n].flatten().double(), wanted[n].flatten().double(), dim=0).item()
            for n in names
        }
        whole = [torch.cat([g[n].flatten() for n in names]).double() for g in (gradients, wanted)]
        found[name] = {
            "loss off by": float(f"{abs(ours.item() - loss.item()) / loss.item():.2g}"),
            "gradient's cosine": round(torch.cosine_similarity(*whole, dim=0).item(), 7),
            "least cosine of a parameter": [round(min(cosines.values()), 6), min(cosines, key=cosines.get)],
        }
    exact, rough = found["fp32"], found["bf16"]
    found["passed"] = (
        exact["loss off by"] < 1e-5 and exact["gradient's cosine"] > 0.99999 and rough["gradient's cosine"] > 0.999
    )
    return found


class TrainerSide:
    """transformers' Trainer on the same sequences, filled up."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.sequences: Sequences = json.loads(Path(args.work, "sequences.json").read_text())
        self.rows = int(args.rows.split("x")[0])
        settings = recipe_of(args).model.model_dump(exclude={"family"})
        vocabulary = open_shards(args.shards).vocabulary
        torch.manual_seed(0)
        self.model = BertForMaskedLM(BertConfig(vocab_size=vocabulary.size, attn_implementation="sdpa", **settings))

    def answer(self, line: str) -> dict[str, Any]:
        dropout = float(line.split("dropout ")[1].split(",")[0])
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
        clock, tokens = Clock(), []

        def collate(features: list[dict[str, list[int]]]) -> dict[str, Tensor]:
            batch = pad([(feature["input_ids"], feature["labels"]) for feature in features])
            tokens.append(int(batch["attention_mask"].sum()))
            return batch

        with tempfile.TemporaryDirectory() as out:
            arguments = TrainingArguments(
                out,
                per_device_train_batch_size=self.rows,
                max_steps=self.args.steps + 1,
                bf16="bf16" in line,
                train_sampling_strategy="group_by_length" if "group" in line else "random",
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                use_cpu=True,
            )
            rows = [{"input_ids": ids, "labels": labels} for ids, labels in self.sequences]
            trainer = Trainer(self.model, arguments, train_dataset=rows, data_collator=collate, callbacks=[clock])
            trainer.train()
        return {"seconds": clock.ends[-1] - clock.ends[0], "tokens": sum(tokens[1 : self.args.steps + 1])}


class Clock(TrainerCallback):
    """Notes when steps end."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.ends.append(time.perf_counter())


if __name__ == "__main__":
    sys.exit(main())
