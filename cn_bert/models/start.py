"""Begin from somebody's checkpoint: a transformers folder or hub name, any family member with BERT's weights inside."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PreTrainedModel

from cn_bert.config import ModelSettings
from cn_bert.models import FAMILIES, build_model
from cn_bert.models.packed import IMPLEMENTATION, register
from corpus_tools.encode.vocabulary import Vocabulary, from_tokenizer
from corpus_tools.errors import DataError, MissingInputError, RefusedError, SettingsError

HEAD: Final = "cls.predictions."


def load_start(
    source: str,
    settings: ModelSettings,
    vocabulary: Vocabulary,
    dropout: float,
    warn: Callable[[str], None],
) -> PreTrainedModel:
    """Load the weights a run starts from.

    Args:
        source: a transformers folder or a hub name.
        settings: the recipe's model, which the checkpoint has to have.
        vocabulary: what the shards were made with.
        dropout: hidden dropout of the run.
        warn: told when the checkpoint lacks a head, which then starts from random weights.

    Raises:
        MissingInputError: nothing can be loaded from `source`.
        DataError: its weights are damaged, or its tokenizer is none whose ids this package reproduces.
        SettingsError: the checkpoint has another architecture or other parameters than the recipe.
        RefusedError: its tokenizer is not the shards', so every id would mean another token.
    """
    register()
    try:
        config = AutoConfig.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise MissingInputError(f"start_from: {source} cannot be loaded: {error}") from error
    _check_shape(source, config, settings)
    _check_tokenizer(source, tokenizer, vocabulary)
    try:
        model, report = FAMILIES[settings.family].pretraining.from_pretrained(
            source,
            attn_implementation=IMPLEMENTATION,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=0.0,
            output_loading_info=True,
        )
    except OSError as error:
        raise MissingInputError(f"start_from: {source} has no weights that can be loaded: {error}") from error
    except SafetensorError as error:
        raise DataError(f"start_from: the weights of {source} are damaged: {error}. Copy them again") from error
    missing = sorted(report["missing_keys"])
    if any(key.startswith(HEAD) for key in missing):
        warn(f"start_from: {source} has no trained MLM head; it starts from random weights and needs steps to learn")
    if any(not key.startswith((HEAD, "cls.seq_relationship.")) for key in missing):
        warn(f"start_from: {source} lacks {', '.join(missing)}; these start from random weights")
    loaded: PreTrainedModel = model.float()
    _check_parameters(source, loaded, settings, vocabulary.size)
    return loaded


def _check_tokenizer(source: str, tokenizer: Any, vocabulary: Vocabulary) -> None:
    """Refuse a tokenizer that gives text other ids than the shards': by its entries, or by what it does to text before
    it looks them up, which for one list of entries is lower-casing or not."""
    if tokenizer.get_vocab() != vocabulary.id_of:
        raise RefusedError(
            f"start_from: the tokenizer of {source} ({len(tokenizer):,} entries) is not the one the shards were made "
            f"with ({vocabulary.size:,}). Build the shards again with --vocab {source}"
        )
    theirs = from_tokenizer(json.loads(tokenizer.backend_tokenizer.to_str()), f"start_from: the tokenizer of {source}")
    if theirs.lower_case != vocabulary.lower_case:
        lower, cased = f"the tokenizer of {source}", "the one the shards were made with"
        if vocabulary.lower_case:
            lower, cased = cased, lower
        raise RefusedError(
            f"start_from: {lower} lower-cases text, {cased} does not. Build the shards again with --vocab {source}, or "
            "correct do_lower_case in its tokenizer_config.json if the checkpoint was trained otherwise than that says"
        )


def _check_parameters(source: str, loaded: PreTrainedModel, settings: ModelSettings, vocabulary_size: int) -> None:
    """Refuse a checkpoint with other parameters than the recipe's model: a resume and the export build that one, and
    would lack or misplace what was trained (a vocabulary filled up to a round number, task ids, an untied decoder)."""
    with torch.device("meta"):
        own = build_model(settings, vocabulary_size, 0, 0.0)
    wanted, found = ({(n, tuple(p.shape)) for n, p in one.named_parameters()} for one in (own, loaded))
    if wanted != found:
        raise SettingsError(
            f"start_from: {source} has {_list(found - wanted)}, where the recipe's model of {vocabulary_size:,} "
            f"entries has {_list(wanted - found)}. Save it in that form first"
        )


def _list(parameters: set[tuple[str, tuple[int, ...]]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in sorted(parameters)) or "nothing"


def _check_shape(source: str, config: Any, settings: ModelSettings) -> None:
    if config.model_type != settings.family:
        raise SettingsError(
            f"start_from: {source} is a {config.model_type}, the recipe's model.family {settings.family}"
        )
    for key, wanted in settings.model_dump(exclude={"family", "initializer_range"}).items():
        found = getattr(config, key)
        if found != wanted:
            raise SettingsError(
                f"start_from: {source} has {key} {found}, the recipe {wanted}. Add --set model.{key}={found}"
            )
