"""What DeepSpeed adds to a pre-training step: the step of `cn-bert pretrain` under it against plain PyTorch, in turn.

    python bench/engine_overhead.py SHARDS --model tiny --rows 32x128 [--stages 0 1 2] [--rounds 5] [--steps 4]

Plain PyTorch has the same module, batches, optimizer and clipping in a loop of its own; every side has a module of its
own with the same weights, and all run in one process on one rank. Dropout is 0. The gate: the losses of all steps agree
to 1e-5 in fp32 and 2e-2 in bf16. Prints one JSON object; ends with 1 if the gate fails.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rounds import compare, report
from torch.nn.utils import clip_grad_norm_

from cn_bert.config import Recipe, load_recipe
from cn_bert.data.batches import StepBatch
from cn_bert.data.mixture import Mixture, open_mixture
from cn_bert.models import build_model
from cn_bert.training.engine import Ranks, fill_ds_config, make_engine, start_ranks
from cn_bert.training.loop import global_counts, scales_of, train_step
from cn_bert.training.module import PretrainingModule
from cn_bert.training.optim import build_optimizer
from cn_bert.training.precision import DTYPES, resolve_precision
from cn_bert.training.run_folder import fill_recipe
from cn_bert.training.stage import Stages

RATE = 1e-4
ALLOWED = {"fp32": 1e-5, "bf16": 2e-2}
Step = Callable[[int, StepBatch], float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--rows", default="32x128", help="rows and tokens of a step")
    parser.add_argument("--stages", type=int, nargs="+", default=[0, 1, 2], help="of ZeRO")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="timed steps of a round")
    args = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    ranks = start_ranks()
    recipe = recipe_of(args, ranks)
    mixture = open_mixture([(args.shards, 1.0)], recipe.held_out)
    with tempfile.TemporaryDirectory() as plans:
        stage = Stages(recipe, mixture, Path(plans), ranks.device)[0]
        batches = list(stage.batches(0, args.steps + 1, ranks))
    sides = {"plain PyTorch": plain(recipe, mixture, stage.objectives, ranks)}
    for number in args.stages:
        sides[f"DeepSpeed, ZeRO {number}"] = under_deepspeed(recipe, mixture, stage.objectives, ranks, number)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    losses: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(args.rounds):
        for name, step in sides.items():
            losses[name].append(step(number * len(batches) + 1, batches[0]))
            since = time.perf_counter()
            losses[name] += [step(number * len(batches) + 1 + n, b) for n, b in enumerate(batches[1:], 1)]
            seconds[name].append(time.perf_counter() - since)
        print(f"round {number + 1} of {args.rounds}", {n: round(s[-1], 3) for n, s in seconds.items()}, file=sys.stderr)
    twin = losses.pop("plain PyTorch")
    off = {n: max(abs(a - b) / b for a, b in zip(found, twin, strict=True)) for n, found in losses.items()}
    passed = max(off.values()) <= ALLOWED[recipe.precision]
    tokens = sum(batch.n_real_tokens for batch in batches[1:])
    more = {
        name: round(statistics.median(s / p - 1 for s, p in zip(all, seconds["plain PyTorch"], strict=True)), 3)
        for name, all in seconds.items()
        if name != "plain PyTorch"
    }
    result = {
        "gate": {"passed": passed, "loss off by at most": {name: float(f"{one:.2g}") for name, one in off.items()}},
        "precision": recipe.precision,
        "more time a step than plain PyTorch": more,
        **compare(seconds, dict.fromkeys(seconds, tokens), "real tokens"),
    }
    report(result, ["torch", "deepspeed", "transformers"])
    return int(not passed)


def recipe_of(args: argparse.Namespace, ranks: Ranks) -> Recipe:
    rows, row_tokens = args.rows.split("x")
    stages = f"stages=[{{steps: 100000, row_tokens: {row_tokens}, batch_rows: {rows}}}]"
    precision = resolve_precision("auto", ranks.device)
    changes = ["schedule=adamw", f"model={args.model}", "dropout=0.0", f"precision={precision}", stages]
    return fill_recipe(load_recipe("bert_wwm", changes).recipe)


def module_of(recipe: Recipe, mixture: Mixture, ranks: Ranks) -> PretrainingModule:
    torch.manual_seed(0)
    model = build_model(recipe.model, mixture.vocabulary.size, mixture.vocabulary.pad_id, 0.0)
    return PretrainingModule(model.to(ranks.device), DTYPES[recipe.precision]).train()


def plain(recipe: Recipe, mixture: Mixture, objectives: list, ranks: Ranks) -> Step:
    """The loop without an engine."""
    module = module_of(recipe, mixture, ranks)
    optimizer = build_optimizer(module, recipe.optimizer)

    def step(number: int, batch: StepBatch) -> float:
        for group in optimizer.param_groups:
            group["lr"] = RATE
        total = 0.0
        for micro in batch.micro_batches:
            loss, _ = module(
                micro, objectives, scales_of(global_counts(batch.counts, objectives, ranks), objectives, ranks)
            )
            loss.backward()
            total += loss.item()
        clip_grad_norm_(module.parameters(), recipe.optimizer.gradient_clipping)
        optimizer.step()
        optimizer.zero_grad()
        return total

    return step


def under_deepspeed(recipe: Recipe, mixture: Mixture, objectives: list, ranks: Ranks, stage: int) -> Step:
    module = module_of(recipe, mixture, ranks)
    config = fill_ds_config({"zero_optimization": {"stage": stage}}, recipe, ranks.world)
    engine = make_engine(module, build_optimizer(module, recipe.optimizer), config)
    return lambda number, batch: train_step(engine, batch, objectives, ranks, seed=0, step=number, lr=RATE).loss


if __name__ == "__main__":
    sys.exit(main())
