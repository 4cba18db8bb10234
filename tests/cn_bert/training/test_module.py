"""The module that a run trains, in the precision of its products."""

from __future__ import annotations

import numpy as np
import torch

from cn_bert.config import ModelSettings
from cn_bert.layout import Layout
from cn_bert.micro_batch import MicroBatch
from cn_bert.models import build_model
from cn_bert.models.probe import probe
from cn_bert.objectives.mlm import Mlm
from cn_bert.training.module import PretrainingModule

SHAPE = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128}


def made() -> tuple[torch.nn.Module, MicroBatch]:
    torch.manual_seed(3)
    bounds = np.array([0, 30, 63, 64, 128])
    masked = torch.arange(2, 128, 5)
    batch = MicroBatch(
        input_ids=torch.randint(1, 90, (1, 128)),
        token_type_ids=torch.zeros(1, 128, dtype=torch.long),
        position_ids=torch.cat([torch.arange(int(n)) for n in np.diff(bounds)])[None],
        layout=Layout.of(bounds),
        masked_positions=masked,
        labels=torch.randint(1, 90, masked.shape),
        cls_positions=torch.from_numpy(bounds[:-1]),
        is_next=torch.full((4,), -1),
        n_real_tokens=128,
    )
    return build_model(ModelSettings(**SHAPE), 90, 0, dropout=0.0), batch


def gradients(compute: torch.dtype) -> tuple[float, dict[str, torch.Tensor]]:
    model, batch = made()
    loss, _ = PretrainingModule(model, compute)(batch, [Mlm()], {"mlm": 1 / 26})
    loss.backward()
    return loss.item(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_in_bf16_loss_and_gradients_are_near_those_of_fp32() -> None:
    (exact, wanted), (rough, found) = gradients(torch.float32), gradients(torch.bfloat16)
    assert abs(rough - exact) < 0.02
    assert found.keys() == wanted.keys()
    whole = [torch.cat([g[name].flatten() for name in wanted]) for g in (found, wanted)]
    assert torch.cosine_similarity(*whole, dim=0) > 0.999


def test_what_runs_from_layer_to_layer_is_in_the_precision_of_the_products() -> None:
    model, batch = made()
    seen = []
    model.base_model.encoder.layer[1].register_forward_pre_hook(lambda module, given: seen.append(given[0].dtype))
    for compute in (torch.float32, torch.bfloat16):
        PretrainingModule(model, compute)(batch, [Mlm()], {"mlm": 1.0})
    assert seen == [torch.float32, torch.bfloat16]


def test_the_encoder_by_itself_still_runs_in_fp32() -> None:
    model, _ = made()
    PretrainingModule(model, torch.bfloat16)
    probe(model.base_model, 90)
