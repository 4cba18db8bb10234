"""What a model is known by, so that a wrong load is seen: the norm of each tensor, and its loss on rows kept for that.

Hashes say that a file is what was written. Whether it was the model that was written, and whether it is the model that
was restored, only the model can say: both are taken from the live one, when it is saved and when it is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from cn_bert.data.batches import count
from cn_bert.layout import Layout
from cn_bert.micro_batch import MicroBatch
from cn_bert.objectives import Objective
from cn_bert.training.engine import Ranks
from cn_bert.training.loop import summarise
from cn_bert.training.machine import name_device
from cn_bert.training.stage import Stage
from corpus_tools.errors import UnverifiedError

PROBE_ROWS: Final = 4
BOUNDS: Final = "bounds"
NORM_TOLERANCE: Final = 1e-11
"""Relative; the sums are float64, so only their order differs between machines."""
LOSS_TOLERANCES: Final[Mapping[str, tuple[float, float]]] = {"fp32": (1e-6, 1e-4), "bf16": (1e-3, 1e-3)}
"""Relative: in the circumstances of the save, and in others. In bf16 they are the same, since a compiler may choose
other kernels in each process. For scale: one to four threads gave the same bits in either, products of other shapes
differed by 5e-8, and bf16 differed from fp32 by 4e-5 (4x256, CPU)."""


def probe_rows(stage: Stage, device: torch.device) -> MicroBatch:
    """Choose the rows: the first that are held out, or the stage's first where none are."""
    alone, few = Ranks(0, 1, device), replace(stage, micro_rows=min(PROBE_ROWS, stage.micro_rows))
    held_out = next(iter(few.held_out(PROBE_ROWS, alone)), None)
    return held_out or next(iter(few.batches(0, 1, alone))).micro_batches[0]


def to_tensors(batch: MicroBatch) -> dict[str, Tensor]:
    """Lay rows without fillers out as plain tensors by name."""
    values = {one.name: getattr(batch, one.name) for one in fields(batch)}
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    return {**tensors, BOUNDS: torch.from_numpy(batch.layout.bounds)}


def from_tensors(tensors: Mapping[str, Tensor]) -> MicroBatch:
    """Undo `to_tensors`."""
    bounds = tensors[BOUNDS].numpy()
    rest = {name: value for name, value in tensors.items() if name != BOUNDS}
    return MicroBatch(layout=Layout.of(bounds), n_real_tokens=int(bounds[-1]), **rest)


@torch.no_grad()
def probe_loss(module: nn.Module, batch: MicroBatch, objectives: Sequence[Objective], device: torch.device) -> float:
    """Return the loss on the rows, by this rank alone and with dropout off."""
    was_training = module.training
    module.eval()
    _, sums = module(batch.to(device), objectives, {one.name: 0.0 for one in objectives})
    module.train(was_training)
    counts = count([batch])
    return summarise(sums.double(), counts, batch.n_real_tokens, objectives, Ranks(0, 1, device)).loss


def norms(tensors: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the L2 norm of each tensor, summed in float64; of one that holds what is no number it is none either."""
    return {
        name: float(torch.linalg.vector_norm(tensor.detach(), dtype=torch.float64)) for name, tensor in tensors.items()
    }


def circumstances(ranks: Ranks, versions: Mapping[str, str]) -> dict[str, Any]:
    """Say what else the loss depends on, in its last digits."""
    return {"device": name_device(ranks.device), "ranks": ranks.world, **versions}


def check_fit(weights: Mapping[str, Tensor], model: nn.Module, place: Path) -> None:
    """Refuse weights that are not a model's.

    Args:
        weights: of a checkpoint, by parameter name.
        model: what they are to go into.
        place: the checkpoint's, for the message.

    Raises:
        UnverifiedError: names or shapes differ.
    """
    ours = {name: tuple(value.shape) for name, value in model.named_parameters() if value.requires_grad}
    theirs = {name: tuple(value.shape) for name, value in weights.items()}
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            raise UnverifiedError(
                f"{place}: is of another model: {name} is {theirs.get(name, 'not there')}, the recipe's model has "
                f"{ours.get(name, 'none')}"
            )


def differences(saved: Mapping[str, Any], now: Mapping[str, Any], precision: str) -> list[str]:
    """Compare a restored model with the one that was saved.

    Args:
        saved, now: `norms`, `loss` and `circumstances` of each.
        precision: what products are computed in: fp32 or bf16.

    Returns:
        What differs, in words; an empty list means that it is the same model.
    """
    faults = _names(saved["norms"], now["norms"])
    for name, norm in saved["norms"].items():
        found = now["norms"].get(name, norm)
        if not math.isclose(found, norm, rel_tol=NORM_TOLERANCE):
            faults.append(f"the norm of {name} was {norm:.12g} and is {found:.12g}")
    here, elsewhere = LOSS_TOLERANCES[precision]
    tolerance = here if saved["circumstances"] == now["circumstances"] else elsewhere
    if not math.isclose(now["loss"], saved["loss"], rel_tol=tolerance):
        faults.append(f"the loss on its probe rows was {saved['loss']:.9g} and is {now['loss']:.9g}")
    return faults


def _names(saved: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    lost = [f"{name} is in the checkpoint alone" for name in saved.keys() - now.keys()]
    return sorted(lost + [f"{name} is in the model alone" for name in now.keys() - saved.keys()])
