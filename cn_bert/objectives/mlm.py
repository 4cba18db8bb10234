"""Masked language model: predict the original of every chosen token. Source: arXiv:1810.04805, section 3.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from cn_bert.objectives.vocabulary_loss import vocabulary_loss

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from cn_bert.micro_batch import MicroBatch


@dataclass(frozen=True, kw_only=True)
class Mlm:
    """Cross-entropy over the vocabulary at masked positions; no other position reaches the vocabulary."""

    name: ClassVar[str] = "mlm"
    counts: ClassVar[str] = "mlm"
    weight: float = 1.0

    def loss(self, model: PreTrainedModel, hidden: Tensor, batch: MicroBatch) -> tuple[Tensor, Tensor]:
        """Sum over the masked tokens. hidden [T, D]"""
        head = model.cls.predictions
        chosen = head.transform(hidden.index_select(0, batch.masked_positions))
        return vocabulary_loss(chosen, head.decoder.weight, head.decoder.bias, batch.labels)
