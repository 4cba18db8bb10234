"""Load an encoder with a task's head, and run it over features of any length."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from transformers.utils import logging as transformers_logging

from cn_bert.finetune.features import Feature, Output, TaskKind, check_tokenizer
from corpus_tools.errors import DataError, MissingInputError, SettingsError
from corpus_tools.storage import sha256_file

HEAD_PARTS: Final = ("classifier", "qa_outputs", "pooler")
"""Parts of parameter names that may start from random weights: the new head, and the pooler, which MLM models lack."""

WEIGHT_FILES: Final = ("*.safetensors", "*.bin", "*.json", "vocab.txt")
SCORING_TOKENS: Final = 16_384
"""Tokens, filled up ones counted, that are scored at once."""


def model_source(given: str) -> str:
    """Return the folder that holds the model, or the hub name: an OUT folder of `finetune` means its model.

    Raises:
        MissingInputError: a folder without a model, or neither a folder nor a possible hub name.
    """
    folder = Path(given)
    for place in (folder, folder / "model"):
        if (place / "config.json").is_file():
            return str(place)
    if folder.exists():
        raise MissingInputError(f"{given}: holds no model (no config.json). A pre-training run has it in RUN/export")
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", given):
        raise MissingInputError(f"{given}: no such folder")
    return given


def fingerprint(source: str) -> str:
    """Return a hash of a model folder's weights, config and tokenizer; of a hub name, the name itself."""
    folder = Path(source)
    if not folder.is_dir():
        return source
    files = sorted({path for pattern in WEIGHT_FILES for path in folder.glob(pattern)})
    return sha256("".join(f"{path.name} {sha256_file(path)}\n" for path in files).encode()).hexdigest()


def load_tokenizer(source: str) -> Any:
    """Load a model's tokenizer.

    Raises:
        MissingInputError: there is none.
        DataError: it has no offsets, [CLS] or [SEP].
    """
    tokenizer = loaded(source, lambda: transformers.AutoTokenizer.from_pretrained(source))
    check_tokenizer(tokenizer)
    return tokenizer


def load_model(
    kind: TaskKind[Any], source: str, tokenizer: Any, *, from_scratch: bool, note: Callable[[str], None]
) -> Any:
    """Load an encoder and put the task's head on it. What is new is drawn from torch's generator as it stands.

    Args:
        kind: names the class and its labels.
        source: a transformers folder or a hub name.
        tokenizer: the model's, whose ids have to fit.
        from_scratch: take only the shape and draw every weight anew.
        note: told what starts from random weights though a checkpoint was given.

    Raises:
        MissingInputError: the model cannot be found.
        DataError: its weights are not those of its config, or the tokenizer has more entries than the model.
        SettingsError: the task's inputs are longer than the model's positions.
    """
    quiet()
    config = loaded(source, lambda: transformers.AutoConfig.from_pretrained(source, **kind.config()))
    _check_config(config, source, tokenizer, kind.task.max_tokens)
    model_class = getattr(transformers, kind.model_class)
    if from_scratch:
        return model_class.from_config(config)
    model, report = loaded(
        source,
        lambda: model_class.from_pretrained(
            source, config=config, dtype=torch.float32, ignore_mismatched_sizes=True, output_loading_info=True
        ),
    )
    new = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    lacking = sorted(key for key in new if not any(part in key for part in HEAD_PARTS))
    if lacking:
        raise DataError(f"{source}: the weights lack {len(lacking)} parts of the encoder, the first is {lacking[0]}")
    if pooler := [key for key in new if "pooler" in key]:
        note(f"{source} has no pooler; its {len(pooler)} parameters start from random weights, as the head's do")
    return model


def _check_config(config: Any, source: str, tokenizer: Any, max_tokens: int) -> None:
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and max_tokens > positions:
        raise SettingsError(
            f"max_tokens {max_tokens}: {source} has {positions} positions. --set max_tokens={positions}"
        )
    if len(tokenizer) > config.vocab_size:
        raise DataError(f"{source}: the tokenizer has {len(tokenizer):,} entries and the model {config.vocab_size:,}")


def loaded(source: str, load: Callable[[], Any]) -> Any:
    """Call `load`, which loads something of a model with transformers.

    Raises:
        MissingInputError: it cannot; the message has transformers' first line.
    """
    try:
        return load()
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise MissingInputError(f"{source}: no model can be loaded from here: {reason}") from error


def quiet() -> None:
    """Silence transformers' load report: what matters of it is checked and said here."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def pad(features: Sequence[Feature], pad_id: int) -> dict[str, torch.Tensor]:
    """Make a batch as long as its longest feature. ids, types, mask [B, L]; targets [B]."""
    longest = max(len(feature["input_ids"]) for feature in features)
    batch: dict[str, torch.Tensor] = {}
    for name, fill in (("input_ids", pad_id), ("token_type_ids", 0)):
        rows = np.full((len(features), longest), fill, np.int64)
        for row, feature in zip(rows, features, strict=True):
            row[: len(feature[name])] = feature[name]
        batch[name] = torch.from_numpy(rows)
    lengths = torch.tensor([len(feature["input_ids"]) for feature in features])
    batch["attention_mask"] = (torch.arange(longest) < lengths[:, None]).long()
    for name in features[0].keys() - batch.keys():
        batch[name] = torch.tensor([feature[name] for feature in features])
    return batch


class Runner:
    """Runs a model over features without training it: the `Run` that kinds of task ask for answers."""

    def __init__(self, model: Any, pad_id: int, outputs: Mapping[str, bool], precision: str) -> None:
        self._model = model
        self._pad_id = pad_id
        self._outputs = outputs
        self._precision = precision

    def __call__(self, features: Sequence[Feature]) -> list[Output]:
        """Return the model's outputs of each feature, per-token ones cut at its length, in the order given."""
        found: list[Output] = [{}] * len(features)
        was_training = self._model.training
        self._model.eval()
        with torch.inference_mode(), self._autocast():
            for numbers in _batches([len(feature["input_ids"]) for feature in features]):
                self._score([features[n] for n in numbers], numbers, found)
        self._model.train(was_training)
        return found

    def _score(self, features: Sequence[Feature], numbers: Sequence[int], found: list[Output]) -> None:
        device = self._model.device
        said = self._model(**{name: value.to(device) for name, value in pad(features, self._pad_id).items()})
        values = {name: said[name].float().cpu().numpy() for name in self._outputs}
        for row, (number, feature) in enumerate(zip(numbers, features, strict=True)):
            length = len(feature["input_ids"])
            found[number] = {
                name: values[name][row, :length] if per_token else values[name][row]
                for name, per_token in self._outputs.items()
            }

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._precision == "fp32":
            return nullcontext()
        return torch.autocast(self._model.device.type, torch.bfloat16)


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Group features of like length, longest first, so that memory runs out at the start or not at all."""
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda n: -lengths[n]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > SCORING_TOKENS:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch
