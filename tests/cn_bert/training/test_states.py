"""What an optimizer has learned goes through a checkpoint's form and back, whatever the optimizer keeps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from cn_bert.config import OptimizerSettings
from cn_bert.training.optim import build_optimizer
from cn_bert.training.states import States, gather_states, restore_states

NAMES = ("adamw", "lamb", "muon")


class Small(nn.Module):
    """A matrix of an encoder, one of a head, and their biases."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ModuleDict({"encoder": nn.Linear(3, 4)})
        self.head = nn.Linear(4, 1)


def engine_of(name: str, device: str = "cpu") -> Any:
    """What states.py asks of a DeepSpeed engine at stage 0."""
    model = Small().to(device)
    optimizer = build_optimizer(model, OptimizerSettings(name=name))
    module = SimpleNamespace(model=model)
    return SimpleNamespace(zero_optimization_stage=lambda: 0, optimizer=optimizer, module=module)


def train(engine: Any, seed: int, n_steps: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for group in engine.optimizer.param_groups:
        group["lr"] = 0.01
    for _ in range(n_steps):
        for parameter in engine.module.model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator).to(parameter.device)
        engine.optimizer.step()


def assert_equal(found: States, expected: States) -> None:
    for ours, theirs in ((found.weights, expected.weights), (found.moments, expected.moments)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_restored_goes_on_as_what_was_gathered(name: str) -> None:
    calm, again = engine_of(name), engine_of(name)
    train(calm, seed=1, n_steps=3)
    gathered = gather_states(calm)
    restore_states(again, gathered, 3)
    assert_equal(gather_states(again), gathered)
    for engine in (calm, again):
        train(engine, seed=2, n_steps=3)
    assert_equal(gather_states(again), gather_states(calm))


@pytest.mark.parametrize("name", NAMES)
def test_every_state_is_kept_but_the_count_of_steps(name: str) -> None:
    engine = engine_of(name)
    assert gather_states(engine).moments == {}
    train(engine, seed=1, n_steps=1)
    momenta = {parameter: ("exp_avg", "exp_avg_sq") for parameter, _ in engine.module.model.named_parameters()}
    if name == "muon":
        momenta["body.encoder.weight"] = ("momentum_buffer",)
    expected = {f"{moment}.{parameter}" for parameter, moments in momenta.items() for moment in moments}
    assert gather_states(engine).moments.keys() == expected


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_moments_are_found_under_the_names_that_checkpoints_have(name: str) -> None:
    engine = engine_of(name)
    named = dict(engine.module.model.named_parameters())
    weights = {parameter: torch.randn(value.shape) for parameter, value in named.items()}
    moments = {f"{key}.{n}": torch.rand(value.shape) for n, value in named.items() for key in ("exp_avg", "exp_avg_sq")}
    restore_states(engine, States(weights, moments), 5)
    for n, parameter in named.items():
        state = engine.optimizer.state[parameter]
        assert torch.equal(parameter, weights[n])
        assert all(torch.equal(state[key], moments[f"{key}.{n}"]) for key in ("exp_avg", "exp_avg_sq"))
        assert float(state["step"]) == 5


def test_a_state_is_a_copy() -> None:
    engine = engine_of("adamw")
    train(engine, seed=1, n_steps=1)
    gathered = gather_states(engine)
    before = {name: value.clone() for name, value in {**gathered.weights, **gathered.moments}.items()}
    train(engine, seed=2, n_steps=1)
    assert all(torch.equal(value, before[name]) for name, value in {**gathered.weights, **gathered.moments}.items())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_restore_is_left_in_the_gradients(name: str) -> None:
    trained, fresh = engine_of(name), engine_of(name)
    train(trained, seed=1, n_steps=1)
    restore_states(fresh, gather_states(trained), 1)
    assert all(parameter.grad is None for parameter in fresh.module.model.parameters())


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_states_stand_where_the_optimizer_reads_them(name: str) -> None:
    trained, fresh = engine_of(name, "cuda"), engine_of(name, "cuda")
    train(trained, seed=1, n_steps=1)
    restore_states(fresh, gather_states(trained), 1)
    pairs = zip(trained.module.model.parameters(), fresh.module.model.parameters(), strict=True)
    for theirs, ours in pairs:
        for key, value in trained.optimizer.state[theirs].items():
            assert fresh.optimizer.state[ours][key].device == value.device
