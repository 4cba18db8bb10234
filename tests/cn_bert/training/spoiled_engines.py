"""Engines as the start-up test of the gradients may meet them: sound, or spoiled by hand in the ways DeepSpeed's were.

    RANK=0 WORLD_SIZE=2 ... python spoiled_engines.py

prints a line of JSON for each case: what the test said of it, "" where it passed; and last whether each ZeRO stage
found the gradient to be a number, where it is one and where the last rank's alone is infinite.
"""

from __future__ import annotations

import json
from itertools import product
from typing import Any, Final

import numpy as np
import torch

from cn_bert.config import ModelSettings, load_recipe
from cn_bert.layout import Layout
from cn_bert.micro_batch import MicroBatch
from cn_bert.models import build_model
from cn_bert.objectives import build_objectives
from cn_bert.training.engine import Ranks, end_ranks, fill_ds_config, make_engine, start_ranks
from cn_bert.training.gradients import is_finite
from cn_bert.training.module import PretrainingModule
from cn_bert.training.optim import build_optimizer
from cn_bert.training.precision import DTYPES
from cn_bert.training.self_test import check_gradients
from corpus_tools.errors import RefusedError

RECIPE: Final = load_recipe("bert_wwm", ["optimizer.name=adamw"]).recipe
VOCABULARY: Final = 40
BIAS: Final = "model.cls.predictions.bias"
SPOILS_OF_ONE_RANK: Final = ("scaled", "micro_batch_left_out")
SPOILS: Final = (*SPOILS_OF_ONE_RANK, "rank_left_out", "ranks_not_averaged")
CASES: Final = [
    *product((0, 1, 2), ("fp32",), ("sound", *SPOILS)),
    *product((0, 1, 2), ("bf16",), ("sound", "scaled")),
    *product((1, 2), ("fp32",), ("wrong_norm",)),
]
"""ZeRO stage, precision, and what is done to the engine."""


def rows(rank: int) -> list[MicroBatch]:
    """Two micro-batches of one packed row, others on each rank."""
    draw = np.random.default_rng(rank)
    return [row(draw) for _ in range(2)]


def row(draw: np.random.Generator) -> MicroBatch:
    lengths = draw.integers(4, 12, size=3)
    bounds = np.concatenate([[0], lengths.cumsum()])
    ids = torch.from_numpy(draw.integers(0, VOCABULARY, size=(1, bounds[-1])))
    return MicroBatch(
        input_ids=ids,
        token_type_ids=torch.zeros_like(ids),
        position_ids=torch.cat([torch.arange(int(length)) for length in lengths])[None],
        layout=Layout.of(bounds),
        masked_positions=torch.from_numpy(bounds[:-1] + 2),
        labels=torch.from_numpy(draw.integers(0, VOCABULARY, size=3)),
        cls_positions=torch.from_numpy(bounds[:-1]),
        is_next=torch.tensor([0, 1, 1]),
        n_real_tokens=int(bounds[-1]),
    )


def make(stage: int, precision: str, ranks: Ranks) -> Any:
    """Make an engine over a small model whose decoder is tied, with dropout."""
    torch.manual_seed(1)
    shape = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    model = build_model(ModelSettings(**shape), VOCABULARY, 0, dropout=0.1)
    module = PretrainingModule(model.to(ranks.device), DTYPES[precision]).train()
    config = fill_ds_config({"zero_optimization": {"stage": stage}}, RECIPE, ranks.world)
    return make_engine(module, build_optimizer(module, RECIPE.optimizer), config)


def spoil(engine: Any, how: str, rank: int) -> None:
    backward = engine.backward
    if how == "scaled":
        engine.backward = lambda loss, **options: backward(loss * 1.05, **options)
    elif how == "micro_batch_left_out":
        engine.backward = lambda loss, **options: backward(
            loss if engine.is_gradient_accumulation_boundary() else loss * 0.0, **options
        )
    elif how == "rank_left_out" and rank == 1:
        engine.backward = lambda loss, **options: backward(loss * 0.0, **options)
    elif how == "ranks_not_averaged" and engine.zero_optimization_stage():
        engine.optimizer.average_tensor = lambda *arguments, **options: None
    elif how == "ranks_not_averaged":
        engine.allreduce_gradients = lambda *arguments, **options: None
    elif how == "wrong_norm":
        norm = engine.optimizer.scaled_global_norm
        engine.optimizer.scaled_global_norm = lambda: norm() * 0.7


def told(stage: int, precision: str, how: str, ranks: Ranks) -> str:
    """Return why the test refuses an engine, "" where it does not."""
    engine = make(stage, precision, ranks)
    spoil(engine, how, ranks.rank)
    try:
        check_gradients(engine, rows(ranks.rank), build_objectives(RECIPE.objectives), ranks)
    except RefusedError as error:
        return str(error)
    return ""


def finite(stage: int, share: float, ranks: Ranks) -> bool:
    """Say whether a gradient passes for a number whose last rank's share is multiplied."""
    engine = make(stage, "fp32", ranks)
    if ranks.rank == ranks.world - 1:
        engine.module.get_parameter(BIAS).register_hook(lambda gradient: gradient * share)
    objectives = build_objectives(RECIPE.objectives)
    loss, _ = engine(rows(ranks.rank)[0], objectives, {one.name: 1.0 for one in objectives})
    engine.backward(loss, scale_wrt_gas=False)
    return is_finite(engine, ranks)


if __name__ == "__main__":
    torch.set_num_threads(1)
    here = start_ranks()
    for case in CASES:
        print(json.dumps({"case": case, "said": told(*case, here)}), flush=True)
    print(json.dumps([[finite(stage, share, here) for share in (1.0, torch.inf)] for stage in (0, 1, 2)]), flush=True)
    end_ranks()
