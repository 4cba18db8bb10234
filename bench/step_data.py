"""What the sides of the pre-training step are given: options, a recipe, and the same masked sequences."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import torch

from cn_bert.config import Recipe, load_recipe
from cn_bert.data.batches import StepBatch, StepData
from cn_bert.data.mixture import open_mixture
from cn_bert.data.sequences import build_sequences
from cn_bert.data.sequences.kind import NO_LABEL, EpochText, Made, Stream
from cn_bert.data.steps import Plans, Steps
from cn_bert.micro_batch import Shape
from cn_bert.training.run_folder import fill_recipe
from corpus_tools.masking import build_masker

Sequences = list[tuple[list[int], list[int]]]
"""Ids and labels of each sequence, -100 where nothing is predicted."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what both the benchmark and the processes of its sides take."""
    parser.add_argument("shards")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--rows", default="32x128", help="rows and tokens of a step")
    parser.add_argument("--micro-rows", type=int, help="rows that ours computes at once; all of a step unless given")
    parser.add_argument("--entries", type=int, help="entries of the models' vocabulary, if not those of the shards")
    parser.add_argument("--natural", action="store_true")
    parser.add_argument("--steps", type=int, default=4, help="timed steps of a round")
    parser.add_argument("--untimed", type=int, default=1, help="steps before them")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="a GPU where there is one unless given")
    parser.add_argument("--work", help=argparse.SUPPRESS)


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


def step_data(args: argparse.Namespace, *, filled: bool = False, pinned: bool = False) -> StepData:
    """Open the shards as a run does.

    Args:
        filled: whether micro-batches are filled up to one shape.
        pinned: whether a GPU can copy them by itself.
    """
    recipe = recipe_of(args)
    stage = recipe.stages[0]
    mixture = open_mixture([(args.shards, 1.0)], recipe.held_out)
    kind = build_sequences(recipe.sequences) if args.natural else FullWindows()
    plans = Plans(mixture, kind, seed=1, row_tokens=stage.row_tokens, folder=Path(args.work))
    steps = Steps(plans, batch_rows=stage.batch_rows, first_epoch=0)
    masker = build_masker(recipe.masking, mixture.vocabulary)
    rows = args.micro_rows or stage.batch_rows
    shape = Shape(rows, stage.row_tokens) if filled else None
    return StepData(mixture, steps, lambda number: masker, micro_rows=rows, shape=shape, pinned=pinned)


def sequences_of(batch: StepBatch) -> Sequences:
    """Take packed rows apart into what Trainer's collator is given."""
    found: Sequences = []
    for micro in batch.micro_batches:
        labels = torch.full_like(micro.input_ids[0], -100)
        labels[micro.masked_positions] = micro.labels
        ids, labels = micro.input_ids[0].tolist(), labels.tolist()
        found += [(ids[start:end], labels[start:end]) for start, end in pairwise(micro.bounds.tolist())]
    return found
