"""One label for a text, or for a pair of texts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from cn_bert.evaluate.labels import accuracy, macro_f1, majority_share
from cn_bert.finetune.features import Feature, Run
from cn_bert.finetune.files import read_rows
from cn_bert.finetune.task import ClassificationTask
from corpus_tools.errors import DataError

METRICS: Final = {"accuracy": accuracy, "macro_f1": macro_f1}


@dataclass(frozen=True)
class LabelledText:
    """A text, perhaps a second one, and the label as it stands in the file (None where it is asked for)."""

    text: str
    pair: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Classification:
    """A label from the [CLS] token, by transformers' sequence classification head."""

    task: ClassificationTask
    model_class: ClassVar[str] = "AutoModelForSequenceClassification"
    outputs: ClassVar[Mapping[str, bool]] = {"logits": False}
    predictions_file: ClassVar[str] = "predictions.jsonl"

    def config(self) -> dict[str, Any]:
        names = list(self.task.labels.values())
        return {
            "num_labels": len(names),
            "id2label": dict(enumerate(names)),
            "label2id": {name: number for number, name in enumerate(names)},
        }

    def read(self, path: Path) -> list[LabelledText]:
        """Read a labelled file.

        Raises:
            DataError: a column is missing, a label is not one of the task's, or there is no example.
        """
        examples = [self._example(place, row) for place, row in read_rows(path, self.task.columns)]
        if not examples:
            raise DataError(f"{path}: holds no example")
        return examples

    def _example(self, place: str, row: Mapping[str, Any]) -> LabelledText:
        pair = None if self.task.text_pair is None else _cell(row, self.task.text_pair, place)
        label = _cell(row, self.task.label, place)
        if label not in self.task.labels:
            raise DataError(f"{place}: the label '{label}' is not one of {', '.join(self.task.labels)}")
        return LabelledText(_cell(row, self.task.text, place), pair, label)

    def training_features(
        self, examples: Sequence[LabelledText], tokenizer: Any
    ) -> tuple[list[Feature], dict[str, int]]:
        numbers = {label: number for number, label in enumerate(self.task.labels)}
        features, n_cut = self._features(examples, tokenizer)
        for feature, example in zip(features, examples, strict=True):
            feature["labels"] = numbers[str(example.label)]
        return features, {"examples": len(examples), "cut_at_max_tokens": n_cut}

    def _features(self, examples: Sequence[LabelledText], tokenizer: Any) -> tuple[list[Feature], int]:
        """Tokenize; too long a pair loses the end of its longer text first. Returns how many were cut, too."""
        encoded = tokenizer(
            [example.text for example in examples],
            None if self.task.text_pair is None else [example.pair or "" for example in examples],
            truncation="longest_first",
            max_length=self.task.max_tokens,
            split_special_tokens=True,  # a "[SEP]" in a review is text
            return_token_type_ids=True,
        )
        columns = zip(encoded["input_ids"], encoded["token_type_ids"], strict=True)
        features = [{"input_ids": np.array(ids), "token_type_ids": np.array(types)} for ids, types in columns]
        return features, sum(bool(one.overflowing) for one in encoded.encodings)

    def predict(self, examples: Sequence[LabelledText], tokenizer: Any, run: Run) -> list[dict[str, Any]]:
        """Return `label`, its `name` and its `probability` for each example."""
        named = list(self.task.labels.items())
        predictions = []
        for output in run(self._features(examples, tokenizer)[0]):
            logits = output["logits"].astype(np.float64)
            best = int(logits.argmax())
            label, name = named[best]
            probability = float(np.exp(logits[best] - np.logaddexp.reduce(logits)))
            predictions.append({"label": label, "name": name, "probability": probability})
        return predictions

    def score(self, examples: Sequence[LabelledText], predictions: Sequence[dict[str, Any]]) -> dict[str, float]:
        """Return the task's metrics, shares of 1."""
        gold, predicted = [str(one.label) for one in examples], [one["label"] for one in predictions]
        return {name: METRICS[name](gold, predicted) for name in self.task.metrics}

    def baseline(self, examples: Sequence[LabelledText]) -> dict[str, float]:
        """Return the accuracy of always answering the commonest label."""
        return {"majority_accuracy": majority_share([str(example.label) for example in examples])}

    def to_text(self, examples: Sequence[LabelledText], predictions: Sequence[dict[str, Any]]) -> str:
        """Write a JSON object a line, in the order of the file: gold label, label, name, probability."""
        pairs = zip(examples, predictions, strict=True)
        return "".join(f"{json.dumps({'gold': a.label, **b}, ensure_ascii=False)}\n" for a, b in pairs)


def _cell(row: Mapping[str, Any], name: str, place: str) -> str:
    if name not in row:
        raise DataError(f"{place}: there is no '{name}', only {', '.join(row)}")
    if not isinstance(row[name], str | int):
        raise DataError(f"{place}: '{name}' is neither text nor a whole number")
    return str(row[name])
