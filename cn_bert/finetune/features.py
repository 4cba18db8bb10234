"""What goes into the encoder, and the contract that every kind of task keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from cn_bert.finetune.task import Task
from corpus_tools.errors import DataError

Feature = dict[str, Any]
"""One input: `input_ids` and `token_type_ids` as int64 [L], and for training its targets as integers."""

Output = dict[str, npt.NDArray[np.float32]]
"""What the model said of one input, by the names of TaskKind.outputs; per-token values cut at L."""

Example = TypeVar("Example")


class TaskKind(Protocol[Example]):
    """How a kind of task is read, fed, answered and scored. It holds the task's settings and no state."""

    model_class: ClassVar[str]
    """Name of the transformers class with the task's head."""
    outputs: ClassVar[Mapping[str, bool]]
    """The model outputs that are used, and whether they are per token."""
    predictions_file: ClassVar[str]

    @property
    def task(self) -> Task: ...

    def config(self) -> dict[str, Any]:
        """Return what the head adds to the model's config."""
        ...

    def read(self, path: Path) -> list[Example]:
        """Read a file of labelled examples. Raises DataError with FILE:LINE or its like."""
        ...

    def training_features(self, examples: Sequence[Example], tokenizer: Any) -> tuple[list[Feature], dict[str, int]]:
        """Return inputs with targets, and counts of what happened to the examples on the way."""
        ...

    def predict(self, examples: Sequence[Example], tokenizer: Any, run: Run) -> list[dict[str, Any]]:
        """Return an answer for each example."""
        ...

    def score(self, examples: Sequence[Example], predictions: Sequence[dict[str, Any]]) -> dict[str, float]:
        """Score the answers by every metric of the kind."""
        ...

    def baseline(self, examples: Sequence[Example]) -> dict[str, float]:
        """Return the scores of an answer that looks at no input, where there is one."""
        ...

    def to_text(self, examples: Sequence[Example], predictions: Sequence[dict[str, Any]]) -> str:
        """Return the predictions as the text of `predictions_file`."""
        ...


class Run(Protocol):
    """Runs the model: an output for each feature, in order."""

    def __call__(self, features: Sequence[Feature]) -> list[Output]: ...


def check_tokenizer(tokenizer: Any) -> None:
    """Refuse a tokenizer without offsets, [CLS] or [SEP].

    Raises:
        DataError: what it lacks.
    """
    if not tokenizer.is_fast:
        raise DataError("the model's tokenizer has no tokenizer.json and gives no character offsets")
    if tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
        raise DataError("the model's tokenizer has no [CLS] or [SEP]; this is no encoder of the BERT family")
