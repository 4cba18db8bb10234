"""What lies in the output folder of a fine-tuning: a folder per seed, the best seed's model, the summary.

OUT/seed-N/predictions.json(l)   answers on the split that is scored
OUT/seed-N/metrics.json          scores and settings; written last, so a seed that has it is finished
OUT/model/                       a transformers folder, with task.json for `cn-bert predict` and seed.json
OUT/metrics.json                 mean, spread and each seed's value of every metric
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from cn_bert.config import flatten
from corpus_tools.errors import OutputError
from corpus_tools.storage import replace_whole, write_json

Settings = dict[str, Any]


def finished_seeds(out: Path, settings: Settings) -> dict[int, dict[str, Any]]:
    """Return the metrics of each seed that OUT holds.

    Raises:
        OutputError: OUT was made with other settings; the message names the first that differs.
    """
    found: dict[int, dict[str, Any]] = {}
    for path in sorted(out.glob("seed-*/metrics.json")):
        metrics = json.loads(path.read_text(encoding="utf-8"))
        _check_same(metrics["settings"], settings, out)
        found[metrics["seed"]] = metrics
    return found


def _check_same(before: Settings, now: Settings, out: Path) -> None:
    old, new = flatten(before), flatten(now)
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            raise OutputError(
                f"{out}: made with {key} {old.get(key)!r}, this is {new.get(key)!r}. Give another --out, or remove it"
            )


def best_seed(finished: Mapping[int, dict[str, Any]], metric: str) -> int:
    """Return the seed with the highest score on dev; the lowest number where several have it."""
    return max(sorted(finished), key=lambda seed: finished[seed]["scores"]["dev"][metric])


def seed_of_model(out: Path) -> int | None:
    """Return the seed whose model lies in OUT/model, None where none does."""
    path = out / "model" / "seed.json"
    return int(json.loads(path.read_text(encoding="utf-8"))["seed"]) if path.is_file() else None


def save_model(out: Path, model: Any, tokenizer: Any, task: Mapping[str, Any], seed: int) -> None:
    """Put a seed's model in the place of OUT/model. A crash leaves the old one, or none, never a mixture."""
    new, old, target = out / ".model-new", out / ".model-old", out / "model"
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    model.save_pretrained(new)
    tokenizer.save_pretrained(new)
    write_json(new / "task.json", task)
    write_json(new / "seed.json", {"seed": seed})
    if target.exists():
        target.rename(old)
    replace_whole(new, target)
    shutil.rmtree(old, ignore_errors=True)


def summary(finished: Mapping[int, dict[str, Any]], seeds: Sequence[int], split: str) -> dict[str, dict[str, Any]]:
    """Return mean, spread and each seed's value of every metric of a split, in the order of `seeds`.

    The spread is the sample standard deviation, None for a single seed, which has none.
    """
    rows = [finished[seed]["scores"][split] for seed in seeds]
    return {
        metric: {
            "mean": mean(row[metric] for row in rows),
            "spread": stdev(row[metric] for row in rows) if len(rows) > 1 else None,
            "each": [row[metric] for row in rows],
        }
        for metric in rows[0]
    }
