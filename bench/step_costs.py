"""What a run pays beside its steps: the test of the gradients at its start, the look at each gradient, Muon.

    python bench/step_costs.py [--models tiny base] [--precisions fp32 bf16] [--rounds 5]

One rank, ZeRO stage 0, random rows of 128 tokens. The test is the whole `check_gradients`, with its two micro-batches
of a row. The look is `gradients.is_finite`, each step's before its update. Muon's update is timed beside AdamW's over
the same gradients; its products are counted by PyTorch, and given as the tokens whose training needs as many. The gate:
the test of the gradients passes. Medians over the rounds. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from checkpoint import VOCABULARY, random_rows
from rounds import report
from torch.utils.flop_counter import FlopCounterMode

from cn_bert.config import ModelSettings, OptimizerSettings, load_recipe
from cn_bert.models import build_model
from cn_bert.objectives import build_objectives
from cn_bert.training import gradients, proof
from cn_bert.training.engine import Ranks, end_ranks, fill_ds_config, make_engine, start_ranks
from cn_bert.training.flops import ModelFlops
from cn_bert.training.module import PretrainingModule
from cn_bert.training.optim import build_optimizer
from cn_bert.training.precision import DTYPES
from cn_bert.training.self_test import MICRO_BATCHES, check_gradients
from corpus_tools import configs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["tiny", "base"])
    parser.add_argument("--precisions", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    ranks = start_ranks()
    result = {
        f"{model}, {precision}": costs(model, precision, args.rounds, ranks)
        for model in args.models
        for precision in args.precisions
    }
    end_ranks()
    report({**result, "threads": torch.get_num_threads()}, ["torch", "deepspeed"])


def costs(shape: str, precision: str, rounds: int, ranks: Ranks) -> dict[str, Any]:
    """Measure for one model."""
    torch.manual_seed(0)
    settings = ModelSettings.model_validate(configs.load("model", shape)["model"])
    recipe = load_recipe("bert_wwm", ["optimizer.name=adamw", "objectives=[{name: mlm}]"]).recipe
    model = build_model(settings, VOCABULARY, 0, dropout=0.0)
    module = PretrainingModule(model.to(ranks.device), DTYPES[precision]).train()
    batches = [proof.from_tensors(random_rows(1)) for _ in range(MICRO_BATCHES)]
    objectives = build_objectives(recipe.objectives)
    config = fill_ds_config({"zero_optimization": {"stage": 0}}, recipe, ranks.world)
    engine = make_engine(module, build_optimizer(model, recipe.optimizer), config)
    test = median_seconds(lambda: check_gradients(engine, batches, objectives, ranks), rounds)
    engine.backward(engine(batches[0].to(ranks.device), objectives, {"mlm": 1e-2})[0], scale_wrt_gas=False)
    look = median_seconds(lambda: gradients.is_finite(engine, ranks), rounds)
    steps = {name: build_optimizer(model, OptimizerSettings(name=name)).step for name in ("adamw", "muon")}
    seconds = {name: median_seconds(step, rounds) for name, step in steps.items()}
    with FlopCounterMode(display=False) as counter:
        steps["muon"]()
    a_token = ModelFlops.of(settings, VOCABULARY).training(batches, objectives) / sum(b.n_real_tokens for b in batches)
    return {
        "seconds of the test of the gradients": round(test, 3),
        "milliseconds of the look at a gradient": round(1000 * look, 2),
        "seconds of an update": {name: round(value, 4) for name, value in seconds.items()},
        "TFLOP of Muon's products": round(counter.get_total_flops() / 1e12, 4),
        "tokens whose training needs as many": round(counter.get_total_flops() / a_token),
    }


def median_seconds(act: Callable[[], object], rounds: int) -> float:
    """Do something once untimed, then in rounds."""
    act()
    seconds = []
    for _ in range(rounds):
        since = time.perf_counter()
        act()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - since)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
