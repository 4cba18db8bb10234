"""Train one seed with transformers' Trainer: AdamW, a rate that rises and falls in lines, batches of like length.

The model at the end of the last epoch is the result; no epoch is chosen on dev.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from cn_bert.finetune.encoder import pad
from cn_bert.finetune.features import Feature
from cn_bert.finetune.order import LikeLengths
from cn_bert.finetune.task import Task
from corpus_tools.errors import NotFiniteError, OutOfMemoryError

REPORT_SECONDS: Final = 10.0


def steps_of(task: Task, n_features: int) -> int:
    """Return the optimizer steps of a seed."""
    return math.ceil(math.ceil(n_features / task.batch_size) * task.epochs)


def train(
    task: Task,
    model: Any,
    features: Sequence[Feature],
    *,
    pad_id: int,
    seed: int,
    precision: str,
    folder: Path,
    note: Callable[[str], None],
) -> dict[str, float]:
    """Train a model in place.

    Args:
        task: epochs, rate and batch.
        model: a transformers model with the task's head.
        features: inputs with targets, at least one.
        pad_id: fills rows up.
        seed: of order and dropout; the caller draws the head's weights.
        precision: "fp32" or "bf16", resolved.
        folder: where Trainer may write; nothing is saved there.
        note: told how it goes every ten seconds.

    Returns:
        `steps`, `loss` (mean over the steps) and `seconds`.

    Raises:
        NotFiniteError: the loss is no longer a number.
        OutOfMemoryError: a step does not fit.
    """
    steps = steps_of(task, len(features))
    lengths = [len(feature["input_ids"]) for feature in features]
    trainer = _Trainer(
        LikeLengths(lengths, task.batch_size, seed),
        model=model,
        args=_arguments(task, steps, seed, precision, folder),
        train_dataset=list(features),
        data_collator=partial(pad, pad_id=pad_id),
        callbacks=[_Watch(note)],
    )
    trainer.remove_callback(PrinterCallback)  # it prints to stdout, which is for results
    # The heads take **kwargs, from which Trainer concludes that they divide by the whole step's count. They take the
    # mean of a micro-batch, and gradients would come out as many times too large as a step has micro-batches.
    trainer.model_accepts_loss_kwargs = False
    try:
        outcome = trainer.train()
    except torch.OutOfMemoryError as error:
        half = max(1, (task.micro_batch_size or task.batch_size) // 2)
        raise OutOfMemoryError(f"a batch does not fit into memory. --set micro_batch_size={half}") from error
    return {
        "steps": outcome.global_step,
        "loss": outcome.training_loss,
        "seconds": round(outcome.metrics["train_runtime"], 1),
    }


def _arguments(task: Task, steps: int, seed: int, precision: str, folder: Path) -> TrainingArguments:
    micro = task.micro_batch_size or task.batch_size
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=task.epochs,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=task.batch_size // micro,
        learning_rate=task.learning_rate,
        warmup_steps=math.ceil(task.warmup * steps),
        weight_decay=task.weight_decay,
        seed=seed,
        bf16=precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        remove_unused_columns=False,
        save_strategy="no",
        eval_strategy="no",
        logging_steps=max(1, min(10, steps // 10)),
        logging_nan_inf_filter=False,  # it would hide a loss that is no number
        disable_tqdm=True,
        report_to="none",
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # several GPUs would each take a batch of batch_size, by DataParallel
    return arguments


class _Trainer(Trainer):  # type: ignore[misc]
    """Trainer with an order of its own."""

    def __init__(self, order: LikeLengths, **settings: Any) -> None:
        self._order = order
        super().__init__(**settings)

    def _get_train_sampler(self, *_: Any) -> LikeLengths:
        return self._order


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Says how training goes and stops it when the loss is no longer a number."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._begun = self._said = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **kwargs: Any) -> None:
        loss = logs.get("loss")
        if loss is None:
            return
        if not math.isfinite(loss):
            raise NotFiniteError(f"step {state.global_step}: the loss is {loss}. A lower learning_rate may help")
        now = time.monotonic()
        if now - self._said >= REPORT_SECONDS:
            self._said = now
            left = (now - self._begun) / state.global_step * (state.max_steps - state.global_step)
            self._note(f"step {state.global_step:,} of {state.max_steps:,}, loss {loss:.4f}, {left:,.0f} s left")
