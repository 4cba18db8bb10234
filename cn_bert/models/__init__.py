"""The encoders a recipe can name: transformers' own classes, so that what is exported is native by construction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from transformers import BertConfig, BertForPreTraining, ErnieConfig, ErnieForPreTraining, PreTrainedModel

from cn_bert.config import ModelSettings
from cn_bert.models.packed import IMPLEMENTATION, register


@dataclass(frozen=True)
class Family:
    """What transformers calls one architecture."""

    config: type[Any]
    pretraining: type[Any]
    """The class with the MLM and the pair head."""


FAMILIES: Final[Mapping[str, Family]] = {
    "bert": Family(BertConfig, BertForPreTraining),
    "ernie": Family(ErnieConfig, ErnieForPreTraining),
}


def build_model(settings: ModelSettings, vocabulary_size: int, pad_id: int, dropout: float) -> PreTrainedModel:
    """Build a model with random weights, drawn from torch's generator as it stands, that attends over packed rows."""
    register()
    family = FAMILIES[settings.family]
    shape = settings.model_dump(exclude={"family"})
    config = family.config(
        vocab_size=vocabulary_size,
        pad_token_id=pad_id,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=0.0,
        **shape,
    )
    config._attn_implementation = IMPLEMENTATION
    model: PreTrainedModel = family.pretraining(config)
    return model


def checkpoint_activations(model: PreTrainedModel) -> None:
    """Make each encoder layer keep its input alone and compute the rest again in the backward pass.

    Dropout and autocast are as they were the first time, so losses and gradients stay the same.
    """
    # transformers 5.23 renames the method and will drop the old name; 5.17 has that one alone.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
