"""The module a run trains: a transformers model whose packed hidden states feed the objectives' heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from cn_bert.models.packed import Layout

if TYPE_CHECKING:
    from cn_bert.micro_batch import MicroBatch
    from cn_bert.objectives import Objective


class PretrainingModule(nn.Module):
    """Encoder and heads behind one forward, the only one a micro-batch makes.

    Parameters stay fp32. Autocast is entered inside forward, because DeepSpeed switches an outer CUDA autocast off.
    """

    def __init__(self, model: PreTrainedModel, compute: torch.dtype) -> None:
        super().__init__()
        self.model = model
        self.compute = compute
        """What matrix products are computed in: float32 or bfloat16."""

    def forward(
        self, batch: MicroBatch, objectives: Sequence[Objective], scales: Mapping[str, float]
    ) -> tuple[Tensor, Tensor]:
        """Run the encoder once and every objective on its output.

        Args:
            batch: packed sequences on the model's device.
            objectives: the stage's.
            scales: factor of each objective's sum in the loss: weight x ranks / count over the global batch.

        Returns:
            The scaled loss, a scalar; and per objective the plain sum of losses and the right predictions. [O, 2]
        """
        with torch.autocast(batch.input_ids.device.type, self.compute, enabled=self.compute != torch.float32):
            hidden = self.encode(batch)
            outcomes = [objective.loss(self.model, hidden, batch) for objective in objectives]
        loss = torch.stack([scales[one.name] * total for one, (total, _) in zip(objectives, outcomes, strict=True)])
        sums = torch.stack([torch.stack([total.detach(), right.to(total.dtype)]) for total, right in outcomes])
        return loss.sum(), sums

    def encode(self, batch: MicroBatch) -> Tensor:
        """Return the last hidden states of all tokens. [T, D]"""
        output = self.model.base_model(
            input_ids=batch.input_ids,
            token_type_ids=batch.token_type_ids,
            position_ids=batch.position_ids,
            layout=Layout.of(batch.cu_seqlens),
        )
        hidden: Tensor = output.last_hidden_state[0]
        return hidden
