"""Use a fine-tuned model on new text, and fill masks with a pre-trained one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from cn_bert.finetune import kind_of
from cn_bert.finetune.classification import LabelledText
from cn_bert.finetune.encoder import Runner, load_model, load_tokenizer, loaded, model_source, quiet
from cn_bert.finetune.features import TaskKind
from cn_bert.finetune.reading import Question
from cn_bert.finetune.task import task_from_dict
from corpus_tools.errors import DataError, UsageError


class Predictor:
    """A model that `finetune` made, with the task it was made for.

    Raises:
        MissingInputError: there is no model.
        DataError: the folder is a model and not one that `finetune` made.
    """

    def __init__(self, model: str) -> None:
        source = model_source(model)
        path = Path(source) / "task.json"
        if not path.is_file():
            raise DataError(f"{source}: has no task.json; give a model that cn-bert finetune made, OUT/model")
        self.kind: TaskKind[Any] = kind_of(task_from_dict(json.loads(path.read_text(encoding="utf-8")), str(path)))
        self._tokenizer = load_tokenizer(source)
        model_here = load_model(self.kind, source, self._tokenizer, from_scratch=False, note=_refuse)
        model_here.to("cuda" if torch.cuda.is_available() else "cpu")
        self._run = Runner(model_here, self._tokenizer.pad_token_id or 0, self.kind.outputs, "fp32")

    def classify(self, texts: Sequence[tuple[str, str | None]]) -> list[dict[str, Any]]:
        """Return `label`, `name` and `probability` of each (text, second text or None).

        Raises:
            UsageError: the model reads passages, or wants another number of texts.
        """
        if self.kind.task.kind != "classification":
            raise UsageError("this model answers questions: give --question and --passage")
        for _, pair in texts:
            if (pair is None) != (self.kind.task.text_pair is None):
                raise UsageError(f"this model labels {'pairs of texts' if pair is None else 'single texts'}")
        return self.kind.predict([LabelledText(text, pair) for text, pair in texts], self._tokenizer, self._run)

    def answer(self, asked: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        """Return `answer`, `start` (a character of the passage) and `probability` of each (question, passage).

        Raises:
            UsageError: the model labels texts.
        """
        if self.kind.task.kind != "reading":
            raise UsageError("this model labels texts: give --text or --file")
        questions = [Question(str(number), question, passage) for number, (question, passage) in enumerate(asked)]
        found = self.kind.predict(questions, self._tokenizer, self._run)
        return [{key: value for key, value in one.items() if key != "id"} for one in found]


def _refuse(note: str) -> None:
    raise DataError(f"this is no finished fine-tuned model: {note}")


def fill_mask(model: str, text: str, top_k: int = 5) -> list[list[dict[str, Any]]]:
    """Return the likeliest tokens for each [MASK] of a text.

    Args:
        model: a transformers folder with an MLM head, or a hub name.
        text: holds at least one [MASK].
        top_k: how many tokens for each.

    Returns:
        For each mask, in order, `token` and `probability`, likeliest first.

    Raises:
        MissingInputError: no model can be loaded.
        DataError: it has no trained MLM head.
        UsageError: the text has no [MASK] or is too long, or top_k is below 1.
    """
    source = model_source(model)
    tokenizer = load_tokenizer(source)
    quiet()
    encoder, report = loaded(
        source, lambda: transformers.AutoModelForMaskedLM.from_pretrained(source, output_loading_info=True)
    )
    if report["missing_keys"]:
        raise DataError(f"{source}: has no trained MLM head ({min(report['missing_keys'])} is missing)")
    batch = tokenizer(text, return_tensors="pt")
    masked = batch["input_ids"][0] == tokenizer.mask_token_id
    _check_masks(int(masked.sum()), batch["input_ids"].shape[1], encoder.config.max_position_embeddings, top_k)
    with torch.inference_mode():
        shares = encoder.eval()(**batch).logits[0, masked].float().softmax(-1)
    best = shares.topk(min(top_k, shares.shape[1]))
    return [
        [
            {"token": tokenizer.convert_ids_to_tokens(number), "probability": share}
            for number, share in zip(ids, values, strict=True)
        ]
        for ids, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _check_masks(n_masks: int, n_tokens: int, positions: int, top_k: int) -> None:
    if not n_masks:
        raise UsageError("the text has no [MASK], for example: 巴黎是[MASK]国的首都。")
    if n_tokens > positions:
        raise UsageError(f"the text has {n_tokens} tokens, the model {positions} positions. Shorten it")
    if top_k < 1:
        raise UsageError(f"--top-k {top_k}: at least 1 is needed")
