"""Dropout by sixteen bits a unit does what nn.Dropout does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cn_bert.models.dropout import FastDropout, quicken_dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_share_is_dropped_and_the_rest_scaled_up(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    dropped = FastDropout(0.1)(torch.ones(1000, 1001, dtype=dtype))
    assert abs((dropped == 0).float().mean().item() - 0.1) < 0.001
    torch.testing.assert_close(dropped.max(), torch.tensor(1 / 0.9, dtype=dtype), rtol=1e-2, atol=0)
    assert abs(dropped.float().mean().item() - 1) < 0.01


def test_units_are_dropped_on_their_own() -> None:
    torch.manual_seed(1)
    kept = FastDropout(0.5)(torch.ones(4000, 64)) > 0
    together = (kept[:, 1:] == kept[:, :-1]).float().mean(0)
    assert (together - 0.5).abs().max() < 0.04


def test_the_gradient_passes_where_the_unit_did() -> None:
    units = torch.randn(33, 7, requires_grad=True)
    dropped = FastDropout(0.25)(units)
    dropped.sum().backward()
    torch.testing.assert_close(units.grad * units, dropped)


def test_a_seed_names_the_draw_and_evaluation_drops_nothing() -> None:
    module, units = FastDropout(0.3), torch.randn(50, 9)
    draws = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        draws.append(module(units))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert module.eval()(units) is units


def test_it_takes_the_place_of_every_plain_dropout_and_keeps_its_share() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.2)), nn.Dropout(0.0))
    names = list(model.state_dict())
    quicken_dropout(model)
    assert [module.p for module in model.modules() if isinstance(module, nn.Dropout)] == [0.2, 0.0]
    assert all(type(module) is FastDropout for module in model.modules() if isinstance(module, nn.Dropout))
    assert list(model.state_dict()) == names
