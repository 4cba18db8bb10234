"""Packed attention equals running the sequences one by one, for values and for gradients."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, OpenAIGPTConfig, OpenAIGPTModel

from cn_bert.config import ModelSettings
from cn_bert.layout import Layout
from cn_bert.models import FAMILIES, build_model
from cn_bert.models.packed import packed_attention, register
from cn_bert.models.probe import probe
from corpus_tools.errors import RefusedError

SHAPE = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
LENGTHS = [5, 33, 64, 31, 64, 1, 32]


def small(family: str) -> torch.nn.Module:
    torch.manual_seed(3)
    return build_model(ModelSettings(family=family, **SHAPE), 50, 0, dropout=0.0)


def packed(lengths: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(4)
    bounds = torch.tensor([0, *lengths]).cumsum(0)
    ids = torch.randint(1, 50, (1, sum(lengths)))
    return ids, torch.cat([torch.arange(n) for n in lengths])[None], bounds


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_row_equals_its_sequences_one_by_one(family: str) -> None:
    model = small(family).eval()
    ids, positions, bounds = packed(LENGTHS)
    together = model.base_model(
        input_ids=ids, position_ids=positions, token_type_ids=ids % 2, layout=Layout.of(bounds.numpy())
    ).last_hidden_state[0]
    model.set_attn_implementation("eager")
    for start, end in pairwise(bounds):
        alone = model.base_model(input_ids=ids[:, start:end], token_type_ids=ids[:, start:end] % 2)
        torch.testing.assert_close(together[start:end], alone.last_hidden_state[0], atol=2e-6, rtol=0)


def test_gradients_of_a_packed_row_equal_the_sum_over_its_sequences() -> None:
    model = small("bert")
    ids, positions, bounds = packed(LENGTHS)
    model.base_model(
        input_ids=ids, position_ids=positions, token_type_ids=ids * 0, layout=Layout.of(bounds.numpy())
    ).last_hidden_state.square().sum().backward()
    together = {name: p.grad.clone() for name, p in model.base_model.named_parameters() if p.grad is not None}
    model.zero_grad()
    model.set_attn_implementation("eager")
    for start, end in pairwise(bounds):
        model.base_model(input_ids=ids[:, start:end]).last_hidden_state.square().sum().backward()
    for name, parameter in model.base_model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(together[name], parameter.grad, atol=2e-4, rtol=1e-4)


@pytest.mark.gpu
def test_the_kernel_of_gpus_gives_what_the_groups_give() -> None:
    _, _, bounds = packed(LENGTHS)
    layout = Layout.of(bounds.numpy()).to(torch.device("cuda"))
    torch.manual_seed(8)
    inputs = [torch.randn(1, 4, sum(LENGTHS), 64, device="cuda", dtype=torch.bfloat16) for _ in range(3)]
    upper = torch.randn(1, sum(LENGTHS), 4, 64, device="cuda", dtype=torch.bfloat16)
    results = []
    for dtype in (torch.bfloat16, torch.float32):  # in fp32 no kernel is there, and groups are taken
        given = [x.to(dtype).requires_grad_() for x in inputs]
        attended, _ = packed_attention(torch.nn.Identity(), *given, None, layout=layout)
        results.append([attended, *torch.autograd.grad(attended, given, upper.to(dtype))])
    for by_kernel, by_groups in zip(*results, strict=True):
        assert torch.cosine_similarity(by_kernel.float().flatten(), by_groups.flatten(), dim=0) > 0.999


@pytest.mark.parametrize(("lengths", "n_groups"), [(LENGTHS, 2), ([512] * 9, 3), ([1500, 1500], 2)])
def test_groups_hold_every_token_once_and_no_more_scores_than_a_cache(lengths: list[int], n_groups: int) -> None:
    _, _, bounds = packed(lengths)
    groups = Layout.of(bounds.numpy()).groups
    assert len(groups.groups) == n_groups
    tokens = torch.arange(sum(lengths))
    torch.testing.assert_close(groups.bring_back(groups.lay_out(tokens)), tokens)
    assert groups.lay_out(tokens).numel() == sum(group.n * group.length for group in groups.groups)


def test_rows_of_one_length_are_not_copied() -> None:
    tokens = torch.arange(96)
    assert Layout.of(np.array([0, 32, 64, 96])).groups.lay_out(tokens) is tokens


def test_the_probe_passes_our_families_and_refuses_a_class_that_ignores_the_layout() -> None:
    for family in FAMILIES:
        probe(small(family).base_model, 50)
    register()
    deaf = OpenAIGPTModel(OpenAIGPTConfig(vocab_size=50, n_embd=32, n_layer=1, n_head=2))
    with pytest.raises(RefusedError, match="OpenAIGPTModel does not keep"):
        probe(deaf, 50)


def test_attention_dropout_and_a_missing_layout_are_refused() -> None:
    x = torch.zeros(1, 2, 4, 8)
    with pytest.raises(ValueError, match="layout"):
        packed_attention(torch.nn.Identity(), x, x, x, None)
    with pytest.raises(ValueError, match="dropout"):
        packed_attention(torch.nn.Identity(), x, x, x, None, layout=Layout.of(np.array([0, 4])), dropout=0.1)


def test_parameter_counts_are_those_of_the_published_models() -> None:
    with torch.device("meta"):
        base = build_model(
            ModelSettings(num_hidden_layers=12, hidden_size=768, num_attention_heads=12, intermediate_size=3072),
            21128,
            0,
            0.1,
        )
    assert sum(p.numel() for p in base.base_model.parameters()) == 102_267_648
    assert sum(p.numel() for p in base.parameters()) == 102_882_442
    plain = BertModel(BertConfig(vocab_size=50, **SHAPE))
    assert [n for n, _ in plain.named_parameters()] == [n for n, _ in small("bert").base_model.named_parameters()]
