"""The module a run trains: a transformers model whose packed hidden states feed the objectives' heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from cn_bert.models.dropout import quicken_dropout

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
        quicken_dropout(model)
        model.base_model.embeddings.register_forward_hook(_in_compute_precision)

    def forward(
        self, batch: MicroBatch, objectives: Sequence[Objective], scales: Mapping[str, float] | Mapping[str, Tensor]
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
        # Rows that are scored have any shape, and their scores say the same of a run whether it is compiled or not.
        with nullcontext() if self.training else torch.compiler.set_stance("force_eager"):
            output = self.model.base_model(
                input_ids=batch.input_ids,
                token_type_ids=batch.token_type_ids,
                position_ids=batch.position_ids,
                layout=batch.layout,
            )
        hidden: Tensor = output.last_hidden_state[0]
        return hidden


def _in_compute_precision(module: nn.Module, inputs: object, embedded: Tensor) -> Tensor:
    """Have what runs from layer to layer in the precision of the products; else each of them would copy it first."""
    device = embedded.device.type
    return embedded.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else embedded
