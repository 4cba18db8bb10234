"""Write a run's newest checkpoint as a plain transformers folder that every consumer loads as it is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from cn_bert.config import Recipe
from cn_bert.models import build_model
from cn_bert.training import checkpoint
from cn_bert.training.log import read_log
from cn_bert.training.run_folder import read_recipe
from cn_bert.training.snapshot import load
from corpus_tools.encode.vocabulary import load_vocabulary
from corpus_tools.errors import DiskError, MissingInputError, OutputError
from corpus_tools.storage import replace_whole, write_text

TOKENIZER = "tokenizer"


def choose_checkpoint(run: Path, step: int | None) -> tuple[int, list[str]]:
    """Choose the checkpoint of a step, or the newest sound one where no step is named.

    Returns:
        Its step; and why newer ones were passed over.

    Raises:
        MissingInputError: the run has no checkpoint.
        UnverifiedError: that of the step is not sound, or none is.
    """
    folder = run / checkpoint.CHECKPOINTS
    if step is not None:
        return checkpoint.wanted(folder, step), []
    found, faults = checkpoint.newest(folder)
    if found is None:
        raise MissingInputError(f"{folder}: no checkpoint yet")
    return found, faults


def export(run: Path, out: Path, *, step: int | None = None, replace: bool = False) -> int:
    """Write a checkpoint of a run as a transformers model folder.

    Args:
        run: the run's folder.
        out: the folder to make: config.json, model.safetensors, the tokenizer and a model card.
        step: which; None: the newest sound one.
        replace: whether an older export there gives way; anything else never does.

    Returns:
        The step that was exported.

    Raises:
        MissingInputError, UnverifiedError: see `choose_checkpoint`.
        OutputError: `out` exists.
        DiskError: the disk is full or refuses.
    """
    step, _ = choose_checkpoint(run, step)
    if out.exists() and not (replace and (out / "config.json").is_file()):
        raise OutputError(f"{out}: exists. Remove it, or choose another --out")
    recipe = read_recipe(run)
    model, state = load_trained(run, recipe, step)
    temporary, aside = (out.with_name(f"{out.name}.{what}-{os.getpid()}") for what in ("tmp", "old"))
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        disable_progress_bar()
        model.save_pretrained(temporary)
        load_vocabulary(run / TOKENIZER).save(temporary, recipe.model.max_position_embeddings)
        write_text(temporary / "README.md", model_card(run, recipe, step, state))
        _let_others_read(temporary)
        if out.exists():  # moved, not removed: half of an export would be nobody's to replace
            out.rename(aside)
        replace_whole(temporary, out)
    except (OSError, SafetensorError) as error:
        raise DiskError(f"{out}: the export cannot be written: {error}") from error
    finally:
        for left in (temporary, aside):
            shutil.rmtree(left, ignore_errors=True)
    return step


def _let_others_read(folder: Path) -> None:
    """Give every file the mode a new file has here: safetensors writes its own for their owner alone."""
    umask = os.umask(0)
    os.umask(umask)
    for path in folder.iterdir():
        path.chmod(0o666 & ~umask)


def load_trained(run: Path, recipe: Recipe, step: int) -> tuple[PreTrainedModel, Mapping[str, Any]]:
    """Build a run's model with the weights of a checkpoint, attending the ordinary way; and the checkpoint's state."""
    found = load(run / checkpoint.CHECKPOINTS, step)
    vocabulary = load_vocabulary(str(run / TOKENIZER))
    model = build_model(recipe.model, vocabulary.size, vocabulary.pad_id, recipe.dropout)
    model.set_attn_implementation("sdpa")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(found.states.weights[name])
    return model.eval(), found.state


def model_card(run: Path, recipe: Recipe, step: int, state: Mapping[str, Any]) -> str:
    """Write what the model is, in numbers taken from the run's own files."""
    log = run / "log.jsonl"
    held_out = [line for line in read_log(log) if "held_out_loss" in line] if log.is_file() else []
    objectives = " + ".join(objective.name for objective in recipe.stages[-1].objectives or recipe.objectives)
    rows = [
        ("architecture", f"{recipe.model.family}, {recipe.model.num_hidden_layers} x {recipe.model.hidden_size}"),
        ("steps", f"{step:,} of {recipe.total_steps:,}"),
        ("tokens seen", f"{state['tokens']:,}"),
        ("masking", ", ".join(dict.fromkeys(recipe.stage_masking(stage)["name"] for stage in recipe.stages))),
        ("objectives", objectives),
        ("optimizer", recipe.optimizer.name),
        ("started from", recipe.start_from or "random weights"),
        ("data fingerprint", f"`{state['data'][:16]}`"),
    ]
    if held_out:
        last = held_out[-1]
        rows += [
            ("held-out loss", f"{last['held_out_loss']:.4f} at step {last['step']:,}"),
            ("held-out accuracy of masked tokens", f"{last['held_out_accuracy']:.2%}"),
            ("the same by always guessing the commonest token", f"{last['unigram_accuracy']:.2%}"),
        ]
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    return f"""---
language: zh
library_name: transformers
pipeline_tag: fill-mask
tags: [cn-bert, chinese, masked-lm]
---

# A Chinese language model made with cn-bert

| | |
| --- | --- |
{table}

Attention dropout was 0 in pre-training and is 0 in `config.json`.

```python
from transformers import pipeline

fill = pipeline("fill-mask", model="PATH OF THIS FOLDER")
fill("今天天气真[MASK]。")
```
"""
