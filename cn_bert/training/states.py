"""What a run has learned, by parameter name: fp32 weights and the optimizer's moments, at any ZeRO stage.

At stage 0 the optimizer itself holds the states, in the parameters' shapes. At stages 1 and 2 each rank holds a slice
of one flat tensor; DeepSpeed's `safe_get_full_*` and `safe_set_full_*` translate. They return None at stage 0, which
is why both ways stand here. All ranks call these functions together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from deepspeed.utils import (
    lazy_init_hp_params_optimizer_state,
    safe_get_full_fp32_param,
    safe_get_full_optimizer_state,
    safe_set_full_fp32_param,
    safe_set_full_optimizer_state,
)
from torch import Tensor, nn

STEP: Final = "step"
"""Where an optimizer that corrects its moments' bias counts its updates."""


@dataclass(frozen=True)
class States:
    """All of it on the CPU. Moments are keyed `exp_avg.NAME`, as the optimizer calls them; empty before the first
    step."""

    weights: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]


def gather_states(engine: Any) -> States:
    """Collect weights and moments of a DeepSpeed engine, whole and in the parameters' shapes."""
    flat = bool(engine.zero_optimization_stage())
    if flat:
        _link(engine.optimizer)
    weights, moments = {}, {}
    for name, parameter in _named(engine):
        weights[name] = _to_cpu(safe_get_full_fp32_param(parameter) if flat else parameter)
        for moment in _moments(engine, parameter):
            state = (
                safe_get_full_optimizer_state(parameter, moment) if flat else engine.optimizer.state[parameter][moment]
            )
            moments[f"{moment}.{name}"] = _to_cpu(state).reshape(parameter.shape)
    return States(weights, moments)


def restore_states(engine: Any, states: States, updates: int) -> None:
    """Put weights and moments back into a fresh engine.

    Args:
        engine: built from the same recipe, on any number of ranks.
        states: as `gather_states` returned them.
        updates: how many optimizer steps made them; Adam's bias correction counts on.
    """
    flat = bool(engine.zero_optimization_stage())
    if states.moments:
        _step_without_gradients(engine, flat)
    for name, parameter in _named(engine):
        weight = states.weights[name].to(parameter.device)
        parameter.data.copy_(weight)
        if flat:
            safe_set_full_fp32_param(parameter, weight)
        for moment in _moments(engine, parameter):
            value = states.moments[f"{moment}.{name}"].to(parameter.device)
            if flat:
                safe_set_full_optimizer_state(parameter, value, moment)
            else:
                engine.optimizer.state[parameter][moment].copy_(value)
    for state in (engine.optimizer.optimizer if flat else engine.optimizer).state.values():
        if STEP in state:
            state[STEP].fill_(updates)


def _step_without_gradients(engine: Any, flat: bool) -> None:
    """Take a step of rate 0, so that the optimizer itself makes its states, of the kind and in the place it wants."""
    for group in engine.optimizer.param_groups:
        group["lr"] = 0.0
    if not flat:
        for _, parameter in _named(engine):
            parameter.grad = torch.zeros_like(parameter)
        engine.optimizer.step()
        engine.optimizer.zero_grad()
        return
    engine.set_gradient_accumulation_boundary(True)
    nothing = torch.stack([parameter.sum() * 0.0 for _, parameter in _named(engine)]).sum()
    engine.backward(nothing)
    engine.step()
    _link(engine.optimizer)


def _moments(engine: Any, parameter: nn.Parameter) -> list[str]:
    """Name the states an optimizer has of a parameter, a value for each weight; its count of updates is none.

    Over flat tensors all parameters have the same, and every rank answers alike, also one without a slice of this one.
    """
    if engine.zero_optimization_stage():
        whole = engine.optimizer.single_partition_of_fp32_groups[0]
        state = engine.optimizer.optimizer.state.get(whole, {})
    else:
        whole, state = parameter, engine.optimizer.state.get(parameter, {})
    return [key for key, value in state.items() if key != STEP and value.shape == whole.shape]


def _link(optimizer: Any) -> None:
    """Tie parameters to their slices' states. DeepSpeed 0.19.8 does it once, after the first group's first update,
    when the second group has no states yet: its parameters then seem to have none for ever."""
    for parameters, flat in zip(optimizer.bit16_groups, optimizer.single_partition_of_fp32_groups, strict=True):
        lazy_init_hp_params_optimizer_state(parameters, flat, optimizer.optimizer.state)


def _named(engine: Any) -> Iterator[tuple[str, nn.Parameter]]:
    """Trained parameters, each once though its tensor may be tied, named as in the transformers model."""
    model: nn.Module = engine.module.model
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def _to_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float32, copy=True).contiguous()
