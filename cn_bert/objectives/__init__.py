"""What a pre-training run learns: each objective is a loss and its head, as a sum over its predictions.

Sums, not means: they are divided once, by the count over the whole batch on all ranks, so neither the number of ranks
nor the size of a micro-batch changes the result. Letters: T tokens of a packed row, D hidden size, S sequences,
M masked tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from cn_bert.objectives.mlm import Mlm
from cn_bert.objectives.pair import NextSentence, Pair
from corpus_tools.choose import build
from corpus_tools.errors import SettingsError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from cn_bert.micro_batch import MicroBatch
    from cn_bert.stage_settings import ObjectiveSettings


class Objective(Protocol):
    """A loss over one packed micro-batch."""

    name: str
    weight: float
    counts: str
    """Which of a step's counts divides it: "mlm" (masked tokens) or "pair" (labelled pairs)."""

    def loss(self, model: PreTrainedModel, hidden: Tensor, batch: MicroBatch) -> tuple[Tensor, Tensor]:
        """Return the sum of the losses over the batch's predictions and how many of them were right.

        Args:
            model: the transformers model with the heads.
            hidden: the encoder's last hidden states. [T, D]
            batch: where the predictions stand and what is right.
        """
        ...


OBJECTIVES: Final[Mapping[str, type[Any]]] = {"mlm": Mlm, "nsp": NextSentence, "pair": Pair}


def build_objectives(settings: Sequence[ObjectiveSettings]) -> list[Objective]:
    """Build a stage's objectives.

    Raises:
        SettingsError: one is unknown, or two read the pair head with opposite labels.
    """
    built: list[Objective] = [build("objectives", OBJECTIVES, one.model_dump()) for one in settings]
    if sum(one.counts == "pair" for one in built) > 1:
        raise SettingsError("objectives: 'nsp' and 'pair' share one head and label it the other way round; keep one")
    return built
