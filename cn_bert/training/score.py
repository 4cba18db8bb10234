"""How well a model does on the held-out documents, beside what needs no model at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from cn_bert.data.batches import count
from cn_bert.data.mixture import Mixture
from cn_bert.micro_batch import MicroBatch
from cn_bert.objectives import Objective
from cn_bert.training.engine import Ranks
from corpus_tools.storage import write_json


@torch.no_grad()
def score(
    module: Any, batches: Iterable[MicroBatch], objectives: Sequence[Objective], commonest: int, ranks: Ranks
) -> dict[str, float] | None:
    """Score the held-out rows.

    Args:
        module: the PretrainingModule; dropout is off while it scores.
        batches: this rank's rows.
        objectives: the stage's.
        commonest: the token the training documents have most often.

    Returns:
        held_out_loss (nats a masked token), held_out_accuracy, unigram_accuracy (the share of masked tokens that are
        `commonest`), and the same for the other objectives by name; None where nothing is held out.
    """
    module.eval()
    names = [one.name for one in objectives]
    sums = torch.zeros(len(objectives), 3, dtype=torch.float64, device=ranks.device)
    guessed = torch.zeros(1, dtype=torch.float64, device=ranks.device)
    for batch in batches:
        here = batch.to(ranks.device)
        _, found = module(here, objectives, dict.fromkeys(names, 0.0))
        sums[:, :2] += found
        counts = count([here])
        sums[:, 2] += sums.new_tensor([counts[one.counts] for one in objectives])
        guessed += (here.labels == commonest).sum()
    module.train()
    ranks.sum(sums)
    ranks.sum(guessed)
    scores: dict[str, float] = {}
    for one, (total, right, n) in zip(objectives, sums.tolist(), strict=True):
        if not n:
            continue
        prefix = "held_out" if one.name == "mlm" else f"held_out_{one.name}"
        scores |= {f"{prefix}_loss": total / n, f"{prefix}_accuracy": right / n}
        if one.name == "mlm":
            scores["unigram_accuracy"] = float(guessed) / n
    return scores or None


def commonest_token(mixture: Mixture, folder: Path) -> int:
    """Find the training documents' commonest token; what was counted is kept in `folder` for the next start."""
    path = folder / "commonest.json"
    if path.is_file():
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["data"] == mixture.fingerprint:
            return int(known["token"])
    token = int(mixture.unigram_counts().argmax())
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, {"data": mixture.fingerprint, "token": token})
    return token
