"""Masked language model: predict the original of every chosen token. Source: arXiv:1810.04805, section 3.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from torch.nn.functional import cross_entropy

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
        chosen = hidden.index_select(0, batch.masked_positions)
        logits = model.cls.predictions(chosen).float()
        total = cross_entropy(logits, batch.labels, reduction="sum")
        return total, (logits.detach().argmax(-1) == batch.labels).sum()
