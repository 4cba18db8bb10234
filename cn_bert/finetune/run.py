"""Fine-tune one task with several seeds, score each, and keep the model of the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from cn_bert.finetune import kind_of
from cn_bert.finetune.encoder import Runner, fingerprint, load_model, load_tokenizer, model_source
from cn_bert.finetune.features import Feature, TaskKind
from cn_bert.finetune.files import find_file
from cn_bert.finetune.seeds import best_seed, finished_seeds, save_model, seed_of_model, summary
from cn_bert.finetune.task import Task
from cn_bert.finetune.train import steps_of, train
from cn_bert.training.precision import resolve_precision
from corpus_tools import draw
from corpus_tools.errors import DataError, SettingsError
from corpus_tools.storage import locked, sha256_file, write_json, write_text

Note = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """All that the seeds share."""

    kind: TaskKind[Any]
    source: str
    tokenizer: Any
    examples: dict[str, list[Any]]
    """By split: train, dev and the one that is scored."""
    features: list[Feature]
    counts: dict[str, int]
    """What happened to the training examples on the way to features."""
    settings: dict[str, Any]
    """All that a seed's result depends on, but for the machine."""
    precision: str
    from_scratch: bool

    @property
    def task(self) -> Task:
        return self.kind.task


def prepare(
    task: Task, model: str, data: Path, *, limit: int | None = None, from_scratch: bool = False, note: Note = print
) -> Prepared:
    """Read the data and make the training features. Nothing is written.

    Args:
        task: the checked settings.
        model: a transformers folder, an OUT folder of an earlier run, or a hub name.
        data: the folder with the task's files, each plain, .xz or .gz.
        limit: train on so many examples, drawn once for all seeds; None: on all.
        from_scratch: take the model's shape and tokenizer only and begin with random weights.
        note: told what does not stop the run and should be known.

    Raises:
        MissingInputError: the model, the folder or a file is not there.
        DataError: a file cannot be used.
        SettingsError: the limit is below 1, or the machine lacks the precision.
    """
    if limit is not None and limit < 1:
        raise SettingsError(f"--limit {limit}: train on at least 1 example")
    kind = kind_of(task)
    source = model_source(model)
    tokenizer = load_tokenizer(source)
    splits = dict.fromkeys(("train", "dev", task.score_on))
    files = {split: find_file(data, getattr(task.files, split)) for split in splits}
    examples = {split: kind.read(path) for split, path in files.items()}
    _note_sizes(task, examples, files, note)
    examples["train"] = _limited(examples["train"], limit)
    features, counts = kind.training_features(examples["train"], tokenizer)
    if not features:
        raise DataError(f"{files['train']}: no example is left to train on ({counts})")
    precision = resolve_precision(task.precision, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    settings = {
        "task": task.model_dump(mode="json"),
        "model": fingerprint(source),
        "data": {split: sha256_file(path) for split, path in files.items()},
        "limit": limit,
        "from_scratch": from_scratch,
        "precision": precision,
    }
    return Prepared(kind, source, tokenizer, examples, features, counts, settings, precision, from_scratch)


def _limited(examples: list[Any], limit: int | None) -> list[Any]:
    """Draw `limit` examples and keep their order: files are often sorted by label, so the first would not do."""
    if limit is None or limit >= len(examples):
        return examples
    return [examples[n] for n in np.sort(draw.permutation((limit, len(examples)), len(examples))[:limit])]


def _note_sizes(task: Task, examples: dict[str, list[Any]], files: dict[str, Path], note: Note) -> None:
    for split, found in examples.items():
        published = task.sizes.get(split)  # type: ignore[call-overload]
        if published not in (None, len(found)):
            note(
                f"{files[split]}: {len(found):,} examples where the published file has {published:,}; "
                "scores do not compare with published ones"
            )


def plan(prepared: Prepared, seeds: int, out: Path) -> dict[str, Any]:
    """Say what `finetune` would do: splits, steps, which seeds are done. Nothing is written.

    Raises:
        OutputError: OUT belongs to other settings.
    """
    finished = finished_seeds(out, prepared.settings)
    return {
        "model": prepared.source,
        "settings": prepared.settings,
        "examples": {split: len(found) for split, found in prepared.examples.items()},
        "training": prepared.counts,
        "features": len(prepared.features),
        "steps": steps_of(prepared.task, len(prepared.features)),
        "seeds_done": [seed for seed in range(1, seeds + 1) if seed in finished],
        "seeds_to_do": [seed for seed in range(1, seeds + 1) if seed not in finished],
    }


def finetune(prepared: Prepared, seeds: int, out: Path, note: Note = print) -> dict[str, Any]:
    """Train and score seeds 1 to `seeds`; those that OUT already holds are not done again.

    Returns:
        What is written to OUT/metrics.json: each metric of the scored split with mean, spread and each seed's value;
        `dev`, the same on dev; the baseline, sizes and the best seed.

    Raises:
        OutputError: OUT is in use or belongs to other settings.
        SettingsError, DataError, NotFiniteError, OutOfMemoryError: as the parts raise them.
    """
    if seeds < 1:
        raise SettingsError(f"--seeds {seeds}: at least 1 is needed")
    numbers = range(1, seeds + 1)
    metric = prepared.task.metrics[0]
    with locked(out):
        finished = finished_seeds(out, prepared.settings)
        for seed in numbers:
            if seed not in finished:
                finished[seed] = _run_seed(prepared, seed, finished, out, note)
        if (best := best_seed(finished, metric)) != seed_of_model(out):
            # A crash fell between a seed's model and its metrics. What is missing is made again.
            note(f"the model of seed {best} is not in {out / 'model'}; training it again")
            others = {seed: metrics for seed, metrics in finished.items() if seed != best}
            finished[best] = _run_seed(prepared, best, others, out, note)
        result = _result(prepared, finished, list(numbers), best_seed(finished, metric))
        write_json(out / "metrics.json", result)
    return result


def _result(prepared: Prepared, finished: dict[int, Any], seeds: list[int], best: int) -> dict[str, Any]:
    scored = prepared.task.score_on
    return {
        **summary(finished, seeds, scored),
        "score_on": scored,
        "dev": summary(finished, seeds, "dev"),
        "baseline": prepared.kind.baseline(prepared.examples[scored]),
        "examples": {split: len(found) for split, found in prepared.examples.items()},
        "training": prepared.counts,
        "seeds": seeds,
        "best_seed": best,
        "settings": prepared.settings,
    }


def _run_seed(
    prepared: Prepared, seed: int, finished: dict[int, dict[str, Any]], out: Path, note: Note
) -> dict[str, Any]:
    """Train, score and write one seed; its model goes to OUT/model if none of `finished` is as good on dev."""

    def say(text: str) -> None:
        note(f"seed {seed}: {text}")

    folder = out / f"seed-{seed}"
    folder.mkdir(exist_ok=True)
    transformers.set_seed(seed)  # before the model, so that the new head's weights are the seed's
    model = load_model(prepared.kind, prepared.source, prepared.tokenizer, from_scratch=prepared.from_scratch, note=say)
    pad_id = prepared.tokenizer.pad_token_id or 0
    trained = train(
        prepared.task,
        model,
        prepared.features,
        pad_id=pad_id,
        seed=seed,
        precision=prepared.precision,
        folder=folder,
        note=say,
    )
    scores, predictions = _score(prepared, Runner(model, pad_id, prepared.kind.outputs, prepared.precision))
    say(f"{trained['steps']:,} steps in {trained['seconds']:,.0f} s, loss {trained['loss']:.4f}; {_shown(scores)}")
    write_text(folder / prepared.kind.predictions_file, predictions)
    metrics = {"seed": seed, "scores": scores, "trained": trained, "settings": prepared.settings}
    if best_seed({**finished, seed: metrics}, prepared.task.metrics[0]) == seed:
        save_model(out, model, prepared.tokenizer, prepared.settings["task"], seed)
    write_json(folder / "metrics.json", metrics)
    return metrics


def _score(prepared: Prepared, runner: Runner) -> tuple[dict[str, dict[str, float]], str]:
    """Return the scores by split, and the predictions on the split that is scored as text."""
    scores: dict[str, dict[str, float]] = {}
    text = ""
    for split in dict.fromkeys(("dev", prepared.task.score_on)):
        examples = prepared.examples[split]
        predictions = prepared.kind.predict(examples, prepared.tokenizer, runner)
        scores[split] = prepared.kind.score(examples, predictions)
        if split == prepared.task.score_on:
            text = prepared.kind.to_text(examples, predictions)
    return scores, text


def _shown(scores: dict[str, dict[str, float]]) -> str:
    return ", ".join(f"{split} {name} {value:.4g}" for split, row in scores.items() for name, value in row.items())
