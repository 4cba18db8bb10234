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

MOMENTS: Final = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class States:
    """All of it on the CPU. Moments are keyed `exp_avg.NAME`; empty before the first step."""

    weights: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]


def gather_states(engine: Any) -> States:
    """Collect weights and moments of a DeepSpeed engine, whole and in the parameters' shapes."""
    flat = bool(engine.zero_optimization_stage())
    if flat:
        _link(engine.optimizer)
    weights, moments = {}, {}
    for name, parameter in _named(engine):
        weight = safe_get_full_fp32_param(parameter) if flat else parameter
        weights[name] = _to_cpu(weight)
        for moment in MOMENTS:
            state = safe_get_full_optimizer_state(parameter, moment) if flat else _state(engine, parameter, moment)
            if state is not None:
                moments[f"{moment}.{name}"] = _to_cpu(state).reshape(parameter.shape)
    return States(weights, moments)


def restore_states(engine: Any, states: States, updates: int) -> None:
    """Put weights and moments back into a fresh engine.

    Args:
        engine: built from the same recipe, on any number of ranks.
        states: as `gather_states` returned them.
        updates: how many optimizer steps made them; Adam's bias correction counts on.
    """
    if engine.zero_optimization_stage():
        _restore_flat(engine, states, updates)
        return
    optimizer = engine.optimizer
    fused = bool(optimizer.defaults.get("fused"))
    for name, parameter in _named(engine):
        parameter.data.copy_(states.weights[name])
        if states.moments:
            state = optimizer.state[parameter]
            # Where the optimizer has it: a fused one reads it on the parameter's device, others on the CPU.
            state["step"] = torch.tensor(float(updates), device=parameter.device if fused else "cpu")
            for moment in MOMENTS:
                state[moment] = states.moments[f"{moment}.{name}"].to(parameter.device, copy=True)


def _restore_flat(engine: Any, states: States, updates: int) -> None:
    """Take one step with zero gradients, so that the slices' states exist, then write parameter, master and moments."""
    for group in engine.optimizer.param_groups:
        group["lr"] = 0.0
    engine.set_gradient_accumulation_boundary(True)
    nothing = torch.stack([parameter.sum() * 0.0 for _, parameter in _named(engine)]).sum()
    engine.backward(nothing)
    engine.step()
    _link(engine.optimizer)
    for name, parameter in _named(engine):
        parameter.data.copy_(states.weights[name])
        safe_set_full_fp32_param(parameter, states.weights[name].to(parameter.device))
        for moment in MOMENTS:
            if states.moments:
                safe_set_full_optimizer_state(
                    parameter, states.moments[f"{moment}.{name}"].to(parameter.device), moment
                )
    for state in engine.optimizer.optimizer.state.values():
        state["step"] = torch.full_like(torch.as_tensor(state["step"]), float(updates))


def _link(optimizer: Any) -> None:
    """Tie parameters to their slices' states. DeepSpeed 0.19.8 does it once, after the first group's first update,
    when the second group has no states yet: its parameters then seem to have none for ever."""
    for parameters, flat in zip(optimizer.bit16_groups, optimizer.single_partition_of_fp32_groups, strict=True):
        lazy_init_hp_params_optimizer_state(parameters, flat, optimizer.optimizer.state)


def _named(engine: Any) -> Iterator[tuple[str, nn.Parameter]]:
    """Trained parameters, each once though its tensor may be tied, named as in the transformers model."""
    model: nn.Module = engine.module.model
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def _state(engine: Any, parameter: nn.Parameter, moment: str) -> Tensor | None:
    found: Tensor | None = engine.optimizer.state.get(parameter, {}).get(moment)
    return found


def _to_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float32, copy=True).contiguous()
