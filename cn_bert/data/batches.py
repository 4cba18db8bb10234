"""The tensors of a step: packed rows with their masks drawn, in the order and number that every rank agrees on.

Rank r of W takes rows r, r + W, ... of a step. All of a step is made before its first forward, so its counts are known
when its losses are divided. What a sequence holds and how it is masked depends on (seed, epoch, sequence number)
alone, and on the step where a stage's masking rate moves: not on rank, `micro_rows`, or what was asked for before.
Letters: T tokens and S sequences of a micro-batch, M masked tokens of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from cn_bert.data.mixture import Mixture
from cn_bert.data.plan import Plan, make_plan
from cn_bert.data.rows import Sequence as PlannedSequence
from cn_bert.data.rows import build_sequence, filler
from cn_bert.data.sequences.kind import NO_LABEL, SequenceKind
from cn_bert.data.steps import Steps
from cn_bert.layout import Layout
from cn_bert.micro_batch import MicroBatch, Shape
from corpus_tools.masking.cut import end_to_end
from corpus_tools.masking.masker import Masker
from corpus_tools.schema import Ids

HELD_OUT_SEED: Final = 0
HELD_OUT_EPOCH: Final = (1 << 32) - 1
"""Key of the held-out rows and their masks: the same for every run, whatever its seed, so that runs compare."""

Row = tuple[Plan, int] | None
"""A row of a plan; None: a filler."""


@dataclass(frozen=True)
class StepBatch:
    """What a rank computes in a step."""

    step: int
    micro_batches: list[MicroBatch]
    """As many on every rank."""
    counts: dict[str, int]
    """Predictions of each objective ("mlm", "pair") in all of them, this rank's alone."""
    n_real_tokens: int
    """Tokens of this rank without fillers, [CLS] and [SEP] counted."""


class StepData:
    """The batches of a rank, step by step.

    Args:
        mixture: the documents.
        steps: which rows each step takes.
        masker_of: what draws the masks of a step.
        micro_rows: rows computed at once; changes memory, never what is computed.
        rank: number of this rank.
        world: number of ranks.
        shape: what every micro-batch is filled up to; None: nothing is filled up.
        pinned: whether tensors lie where a GPU can copy them from by itself.
    """

    def __init__(
        self,
        mixture: Mixture,
        steps: Steps,
        masker_of: Callable[[int], Masker],
        *,
        micro_rows: int,
        rank: int = 0,
        world: int = 1,
        shape: Shape | None = None,
        pinned: bool = False,
    ) -> None:
        self._mixture = mixture
        self._steps = steps
        self._masker_of = masker_of
        self._micro_rows = micro_rows
        self._rank = rank
        self._world = world
        self._shape = shape
        self._pinned = pinned

    def step(self, number: int) -> StepBatch:
        """Make the batch of a step."""
        rows = [(self._steps.plans.plan(epoch), row) for epoch, row in self._steps.rows_of_step(number)]
        mine = _share(rows, self._rank, self._world)
        masker = self._masker_of(number)
        batches = [micro_batch(self._mixture, masker, some, self._shape) for some in _cut(mine, self._micro_rows)]
        if self._pinned:
            batches = [batch.pinned() for batch in batches]
        return StepBatch(number, batches, count(batches), sum(batch.n_real_tokens for batch in batches))

    def iterate(self, first: int, last: int, *, ahead: int = 2) -> Iterator[StepBatch]:
        """Yield the batches of steps [first, last), made `ahead` steps ahead in a thread.

        What goes wrong there is raised here, at the step it belongs to. Closing the iterator ends the thread.
        """
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as pool:
            waiting: deque[Future[StepBatch]] = deque()
            try:
                for number in range(first, last):
                    waiting.append(pool.submit(self.step, number))
                    if len(waiting) > ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def count(batches: Sequence[MicroBatch]) -> dict[str, int]:
    """Count the predictions of each objective: masked tokens ("mlm") and labelled pairs ("pair")."""
    return {
        "mlm": sum(batch.labels.numel() for batch in batches),
        "pair": sum(int((batch.is_next != NO_LABEL).sum()) for batch in batches),
    }


def held_out_batches(
    mixture: Mixture,
    kind: SequenceKind,
    masker: Masker,
    *,
    row_tokens: int,
    max_rows: int,
    micro_rows: int,
    folder: Path,
    rank: int = 0,
    world: int = 1,
) -> Iterator[MicroBatch]:
    """Yield the held-out rows, the same ones with the same masks each time and in every run.

    Args:
        mixture: the documents; nothing comes where it holds none out.
        kind: how they become sequences.
        masker: draws the masks.
        row_tokens: tokens a row holds.
        max_rows: most rows over all ranks.
        micro_rows: rows computed at once.
        folder: where plans are kept.
        rank, world: this rank's number and how many there are; every rank gets as many batches.
    """
    rows = held_out_rows(mixture, kind, row_tokens=row_tokens, max_rows=max_rows, folder=folder)
    for some in _cut(_share(rows, rank, world), micro_rows):
        yield micro_batch(mixture, masker, some)


def held_out_rows(
    mixture: Mixture, kind: SequenceKind, *, row_tokens: int, max_rows: int, folder: Path
) -> list[tuple[Plan, int]]:
    """List the first rows of the held-out documents; none where the mixture holds none out."""
    if not mixture.held_out_documents.size:
        return []
    plan = make_plan(
        mixture, kind, seed=HELD_OUT_SEED, epoch=HELD_OUT_EPOCH, row_tokens=row_tokens, folder=folder, part="held_out"
    )
    return [(plan, row) for row in range(min(plan.n_rows, max_rows))]


def _share(rows: Sequence[Row], rank: int, world: int) -> list[Row]:
    """Take rows rank, rank + world, ..., filled up so that every rank has as many."""
    mine = list(rows[rank::world])
    return mine + [None] * (-(-len(rows) // world) - len(mine))


def _cut(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    return (rows[begin : begin + size] for begin in range(0, len(rows), size))


def micro_batch(mixture: Mixture, masker: Masker, rows: Sequence[Row], shape: Shape | None = None) -> MicroBatch:
    """Lay the sequences of some rows end to end, mask each by its own key, and fill them up to a shape."""
    sequences = list(sequences_of(mixture, rows))
    n_filler_tokens = rows.count(None) * filler(mixture).ids.size
    whole, bounds = end_to_end(sequences)
    keys = np.array([sequence.key for sequence in sequences])
    drawn = masker.draw_all(whole.ids, whole.flags, bounds, whole.spans, keys)
    positions = np.flatnonzero(drawn.chosen)
    batch = MicroBatch(
        input_ids=_long(drawn.ids)[None],
        token_type_ids=_long(np.concatenate([sequence.token_types for sequence in sequences]))[None],
        position_ids=_long(np.arange(bounds[-1]) - np.repeat(bounds[:-1], np.diff(bounds)))[None],
        layout=Layout.of(bounds),
        masked_positions=_long(positions),
        labels=_long(whole.ids[positions]),
        cls_positions=_long(bounds[:-1]),
        is_next=_long(np.array([sequence.is_next for sequence in sequences])),
        n_real_tokens=int(bounds[-1]) - n_filler_tokens,
    )
    return batch if shape is None else batch.filled(shape, mixture.vocabulary.pad_id)


def sequences_of(mixture: Mixture, rows: Sequence[Row]) -> Iterator[PlannedSequence]:
    """Yield the sequences of some rows, in the order in which a micro-batch of these rows has them."""
    for row in rows:
        if row is None:
            yield filler(mixture)
        else:
            plan, number = row
            yield from (build_sequence(mixture, plan, member) for member in plan.row(number))


def _long(values: Ids) -> Tensor:
    return torch.from_numpy(values.astype(np.int64))
