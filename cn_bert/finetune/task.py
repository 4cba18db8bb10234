"""Tasks as data: a YAML file under configs/tasks, or anyone's own, checked and filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from cn_bert.settings import Settings, explain, parse_change, put
from corpus_tools import configs
from corpus_tools.errors import SettingsError, nearest

SHORTEST_ROOM: Final = 8
"""Passage tokens that a window must have room for, beside the question."""


class Files(Settings):
    """The file of each split; FILE.xz and FILE.gz are found under the same name."""

    train: str
    dev: str
    test: str | None = None


class TaskSettings(Settings):
    """What every kind of task has."""

    files: Files
    sizes: dict[Literal["train", "dev", "test"], int] = {}
    """Examples in the published files; other sizes are noted, for their scores do not compare."""
    score_on: Literal["dev", "test"] = "dev"
    """The split whose scores are the result. The seed that becomes OUT/model is always chosen on dev."""
    max_tokens: Annotated[int, Field(ge=SHORTEST_ROOM)]
    """Longest input, [CLS] and [SEP] counted."""
    epochs: Annotated[float, Field(gt=0)]
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Examples (windows, for reading) of an optimizer step."""
    micro_batch_size: Annotated[int, Field(ge=1)] | None = None
    """Examples computed at once, a divisor of batch_size; None: all of them. Changes memory only."""
    learning_rate: Annotated[float, Field(gt=0)]
    """The peak; it falls to 0 in a line."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the steps in which the rate rises from 0."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the machine computes it itself, else fp32."""

    @model_validator(mode="after")
    def _steps_divide(self) -> TaskSettings:
        if self.batch_size % (self.micro_batch_size or self.batch_size):
            raise ValueError(
                f"batch_size {self.batch_size} does not divide by micro_batch_size {self.micro_batch_size}"
            )
        if self.score_on == "test" and self.files.test is None:
            raise ValueError("score_on is test, and files.test is missing")
        return self


class ClassificationTask(TaskSettings):
    """One label for a text or a pair of texts. Files are tab-separated, or JSON objects, one a line."""

    kind: Literal["classification"]
    text: str
    """Column or JSON key of the text."""
    text_pair: str | None = None
    """Column or key of the second text; None: there is one."""
    label: str = "label"
    columns: list[str] | None = None
    """Names of the columns of a file that has no header line; None: the first line names them."""
    labels: dict[str, str]
    """Each label as it stands in the files, and the name it is shown by. A list means that both are the same."""
    metrics: Annotated[list[Literal["accuracy", "macro_f1"]], Field(min_length=1)] = ["accuracy"]
    """The first one chooses the seed of OUT/model."""

    @field_validator("labels", mode="before")
    @classmethod
    def _labels_are_text(cls, labels: Any) -> Any:
        pairs = labels.items() if isinstance(labels, Mapping) else [(label, label) for label in labels or []]
        if len(named := {str(label): str(name) for label, name in pairs}) < 2:
            raise ValueError("at least two labels are needed")
        if len(set(named.values())) < len(named):
            raise ValueError("two labels have the same name")
        return named


class ReadingTask(TaskSettings):
    """The answer to a question is a stretch of its passage. Files are SQuAD-style JSON."""

    kind: Literal["reading"]
    stride: Annotated[int, Field(ge=1)] = 128
    """Passage tokens from the begin of one window to the begin of the next (BERT's doc_stride, not an overlap)."""
    max_question_tokens: Annotated[int, Field(ge=1)] = 64
    """A longer question loses its end."""
    max_answer_tokens: Annotated[int, Field(ge=1)] = 50
    metrics: Annotated[list[Literal["exact_match", "f1"]], Field(min_length=1)] = ["exact_match", "f1"]
    """The first one chooses the seed of OUT/model."""

    @model_validator(mode="after")
    def _windows_cover(self) -> ReadingTask:
        room = self.max_tokens - self.max_question_tokens - 3
        if room < SHORTEST_ROOM:
            raise ValueError(f"max_tokens {self.max_tokens} leaves no room for a passage; lower max_question_tokens")
        if self.stride > room:
            raise ValueError(
                f"stride {self.stride} would leave gaps: a window has room for {room}; set it to {room // 2}"
            )
        return self


Task = ClassificationTask | ReadingTask
_KINDS: Final[dict[str, type[ClassificationTask] | type[ReadingTask]]] = {
    "classification": ClassificationTask,
    "reading": ReadingTask,
}


def load_task(name: str, changes: Sequence[str] = ()) -> Task:
    """Read and check a task.

    Args:
        name: a name under configs/tasks, or a path to a YAML file.
        changes: `KEY=VALUE` texts of `--set`, VALUE read as YAML.

    Raises:
        SettingsError: a key, type or value is wrong; the message names the place and the remedy.
        MissingInputError: NAME is a path and no file is there.
    """
    place = configs.place("tasks", name)
    tree = configs.load("tasks", name)
    changed: set[str] = set()
    for change in changes:
        path, value = parse_change(change)
        put(tree, path, value)
        changed.add(path.partition(".")[0])
    return task_from_dict(tree, place, changed)


def task_from_dict(tree: Mapping[str, Any], place: str, changed: frozenset[str] | set[str] = frozenset()) -> Task:
    """Check a task's settings; faults in `changed` keys are reported as `--set`'s.

    Raises:
        SettingsError: a key, type or value is wrong.
    """
    kind = str(tree.get("kind"))
    if kind not in _KINDS:
        raise SettingsError(f"{place}: kind: '{kind}' is not known.{nearest(kind, _KINDS)}")
    try:
        return _KINDS[kind].model_validate(tree)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        places = ["--set" if fault["loc"] and fault["loc"][0] in changed else place for fault in faults]
        told = [explain(fault, where, _KINDS[kind]) for fault, where in zip(faults, places, strict=True)]
        raise SettingsError("\n".join(told)) from None
