"""Fine-tune an encoder on a task, and use what came of it. Importing this loads no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cn_bert.finetune.classification import Classification
from cn_bert.finetune.features import TaskKind
from cn_bert.finetune.reading import Reading
from cn_bert.finetune.task import Task

KINDS: Final[dict[str, Callable[[Any], TaskKind[Any]]]] = {"classification": Classification, "reading": Reading}
"""What a task's `kind` may be. A new one keeps TaskKind, and its settings stand in task.py."""


def kind_of(task: Task) -> TaskKind[Any]:
    """Return how a task is read, fed, answered and scored."""
    return KINDS[task.kind](task)
