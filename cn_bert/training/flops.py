"""What a step costs in floating-point operations, by the matrix products that the mathematics needs.

Counted: the linear layers of the encoder for every token of a sequence, the products of attention for every pair of
tokens of one sequence, and the heads where something is predicted, each forward once and backward twice. Not counted:
what an implementation adds, such as filled-up rows or a forward repeated to save memory, and all that is no matrix
product. Letters: D hidden size, I intermediate size, V entries of the vocabulary.

Source: the count of Chowdhery et al. 2022, arXiv:2204.02311, appendix B, by true lengths and with masked-only heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cn_bert.config import ModelSettings
from cn_bert.data.batches import count
from cn_bert.micro_batch import MicroBatch
from cn_bert.objectives import Objective

PASSES = 3
"""A product backward is two of its size: one for the gradient of each factor."""


@dataclass(frozen=True)
class ModelFlops:
    """Multiplications and additions of a model's forward pass."""

    token: int
    """For each token, in the encoder's linear layers."""
    pair: int
    """For each pair of tokens of a sequence, in attention: one score, and one value added up."""
    prediction: dict[str, int]
    """For each prediction of the head, by what an objective counts."""

    @classmethod
    def of(cls, model: ModelSettings, vocabulary_size: int) -> ModelFlops:
        """Count for a model with a vocabulary of V entries."""
        d, n_layers = model.hidden_size, model.num_hidden_layers
        return cls(
            token=2 * n_layers * (4 * d * d + 2 * d * model.intermediate_size),
            pair=4 * n_layers * d,
            prediction={"mlm": 2 * (d * d + d * vocabulary_size), "pair": 2 * (d * d + 2 * d)},
        )

    def training(self, batches: Sequence[MicroBatch], objectives: Sequence[Objective]) -> int:
        """Count the forward and the backward pass of some micro-batches."""
        predictions = count(batches)
        forward = sum(self._encoder(batch.bounds) for batch in batches)
        forward += sum(self.prediction[one.counts] * predictions[one.counts] for one in objectives)
        return PASSES * forward

    def _encoder(self, bounds: npt.NDArray[np.integer]) -> int:
        lengths = bounds[1:] - bounds[:-1]
        return self.token * int(bounds[-1]) + self.pair * int((lengths * lengths).sum())
