"""What a run's model says about held-out text: its best guess for every masked token.

Letters: T tokens of all sequences end to end, S sequences, M masked tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from cn_bert.config import Recipe
from cn_bert.data.batches import Row, held_out_rows, micro_batch, sequences_of
from cn_bert.data.mixture import Mixture
from cn_bert.micro_batch import MicroBatch
from cn_bert.models import FAMILIES
from cn_bert.models.packed import IMPLEMENTATION, register
from cn_bert.training import checkpoint
from cn_bert.training.checkpoint import CHECKPOINTS
from cn_bert.training.export import load_trained
from cn_bert.training.module import PretrainingModule
from cn_bert.training.precision import DTYPES, resolve_precision
from cn_bert.training.run import EXPORT, PLANS
from cn_bert.training.schedule import stage_of
from cn_bert.training.stage import Stages
from corpus_tools.errors import DataError, MissingInputError
from corpus_tools.masking.cut import Sequence as MarkedSequence
from corpus_tools.masking.cut import end_to_end
from corpus_tools.schema import Bools, Ids, Offsets

AT_ONCE_TOKENS = 4096


@dataclass(frozen=True)
class Guesses:
    """Held-out sequences, how they were masked, and the model's guesses."""

    text: MarkedSequence
    """The sequences end to end as they stand in the shards. [T]"""
    bounds: Offsets
    """Where each begins, and T. [S + 1]"""
    seen: Ids
    """The tokens the model was given. [T]"""
    positions: Offsets
    """Which tokens it had to tell. [M]"""
    guessed: Ids
    """Its best guess for each. [M]"""
    loss: float
    """Mean cross-entropy of the masked tokens, in nats."""
    step: int
    """Optimizer steps that the model has behind it."""

    @property
    def right(self) -> Bools:
        """Which guesses are right. [M]"""
        found: Bools = self.guessed == self.text.ids[self.positions]
        return found


def guess(run: Path, recipe: Recipe, mixture: Mixture, max_rows: int) -> Guesses:
    """Mask the first held-out rows as the run masks them and let its newest model guess. On a GPU if there is one.

    Args:
        run: the run's folder.
        recipe: the run's own.
        mixture: the run's documents.
        max_rows: rows to look at.

    Raises:
        MissingInputError: there is no model yet.
        DataError: nothing is held out, or the documents are not the run's.
        UnverifiedError: no checkpoint is sound.
    """
    model, step = trained(run, recipe, mixture.fingerprint)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    stage = Stages(recipe, mixture, run / PLANS, device).alone(stage_of(recipe, max(step, 1))[0])
    row_tokens = stage.settings.row_tokens
    rows = held_out_rows(mixture, stage.kind, row_tokens=row_tokens, max_rows=max_rows, folder=run / PLANS)
    if not rows:
        raise DataError("no document is held out, so there is no text that the model has not seen")
    module = PretrainingModule(model.to(device), DTYPES[resolve_precision("auto", device)]).eval()
    at_once = max(1, AT_ONCE_TOKENS // row_tokens)
    batches = [micro_batch(mixture, stage.masker, some) for some in _cut(rows, at_once)]
    text, bounds = end_to_end(list(sequences_of(mixture, rows)))
    guessed, loss = zip(*(_guess(module, batch.to(device)) for batch in batches), strict=True)
    starts = np.cumsum([0, *(batch.input_ids.numel() for batch in batches)])
    positions = [start + batch.masked_positions.numpy() for start, batch in zip(starts, batches, strict=False)]
    return Guesses(
        text,
        bounds,
        np.concatenate([batch.input_ids[0].numpy() for batch in batches]),
        np.concatenate(positions),
        np.concatenate(guessed),
        sum(loss) / max(sum(map(len, guessed)), 1),
        step,
    )


def trained(run: Path, recipe: Recipe, data: str) -> tuple[PreTrainedModel, int]:
    """Load a run's model, attending over packed rows: of the newest checkpoint, or of the export where all are gone.

    Args:
        data: fingerprint of the documents it will be shown.

    Returns:
        The model and its step.
    """
    step, _ = checkpoint.newest(run / CHECKPOINTS)
    if step is not None:
        model, state = load_trained(run, recipe, step)
        if state["data"] != data:
            raise DataError(
                f"{run}: its data had the fingerprint {state['data'][:12]}, this has {data[:12]}: what was held out "
                "then may be trained on now, and the other way round. Give the run's own shards as --data"
            )
    elif (run / EXPORT / "config.json").is_file():
        register()
        model, step = FAMILIES[recipe.model.family].pretraining.from_pretrained(run / EXPORT), recipe.total_steps
    else:
        raise MissingInputError(f"{run}: no checkpoint and no export yet")
    model.set_attn_implementation(IMPLEMENTATION)
    return model, step


def _cut(rows: Sequence[Row], size: int) -> list[Sequence[Row]]:
    return [rows[begin : begin + size] for begin in range(0, len(rows), size)]


@torch.no_grad()
def _guess(module: PretrainingModule, batch: MicroBatch) -> tuple[Ids, float]:
    """Return the best guess for each masked token, and the sum of their losses."""
    with torch.autocast(batch.input_ids.device.type, module.compute, enabled=module.compute != torch.float32):
        hidden = module.encode(batch).index_select(0, batch.masked_positions)
        scores = module.model.cls.predictions(hidden).float()
    loss = torch.nn.functional.cross_entropy(scores, batch.labels, reduction="sum")
    return scores.argmax(-1).cpu().numpy(), float(loss)
