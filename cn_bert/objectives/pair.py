"""Does segment B follow segment A? BERT's and ERNIE's heads differ in what they call 1, and only here.

Sources: arXiv:1810.04805 and google-research/bert (0 = real next); PaddlePaddle/ERNIE at d8afc4d (1 = real next).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor
from torch.nn.functional import cross_entropy

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from cn_bert.micro_batch import MicroBatch


@dataclass(frozen=True, kw_only=True)
class Pair:
    """ERNIE's: label 1 is a real continuation, 0 a random one."""

    name: ClassVar[str] = "pair"
    counts: ClassVar[str] = "pair"
    continuation: ClassVar[int] = 1
    """The label of a real continuation."""
    weight: float = 1.0

    def loss(self, model: PreTrainedModel, hidden: Tensor, batch: MicroBatch) -> tuple[Tensor, Tensor]:
        """Sum over the labelled pairs, read at their [CLS]. hidden [T, D]"""
        first = hidden.index_select(0, batch.cls_positions)
        pooled = model.base_model.pooler(first[:, None])
        logits = model.cls.seq_relationship(pooled).float()
        labels = self.labels(batch.is_next)
        total = cross_entropy(logits, labels, reduction="sum", ignore_index=-1)
        return total, (logits.detach().argmax(-1) == labels).sum()

    def labels(self, is_next: Tensor) -> Tensor:
        """Turn the plan's facts (1 continues, 0 random, -1 no pair) into this head's labels. [S]"""
        return is_next if self.continuation else is_next.where(is_next < 0, 1 - is_next)


@dataclass(frozen=True, kw_only=True)
class NextSentence(Pair):
    """BERT's next-sentence prediction: label 0 is a real continuation, 1 a random one."""

    name: ClassVar[str] = "nsp"
    continuation: ClassVar[int] = 0
