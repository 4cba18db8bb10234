"""The DeepSpeed engine: ranks that find each other, a configuration filled in from the recipe, and its optimizer."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import deepspeed
import torch
import torch.distributed as dist
from deepspeed.utils import groups
from torch import Tensor, nn
from torch.distributed.distributed_c10d import _set_pg_timeout
from torch.optim import Optimizer

from cn_bert.config import Recipe, flatten
from cn_bert.launch import free_port
from cn_bert.training.optim import NEEDS_REAL_SHAPES
from corpus_tools.configs import configs_root
from corpus_tools.errors import LostRankError, MissingInputError, SettingsError, UserError

AUTO: Final = "auto"
OURS: Final[Mapping[str, str]] = {
    "optimizer": "optimizer",
    "scheduler": "schedule",
    "fp16": "precision",
    "bf16": "precision",
    "bfloat16": "precision",
    "amp": "precision",
    "torch_autocast": "precision",
    "data_types": "precision",
    "communication_data_type": "precision",
    "data_efficiency": "stages",
    "curriculum_learning": "stages",
    "elasticity": "stages",
    "managed_gradient_accumulation": "micro_rows",
    "gradient_allreduce_op": "objectives",
    "progressive_layer_drop": "model",
    "compression_training": "model",
    "activation_checkpointing": "activation_checkpointing",
}
"""Keys of a DeepSpeed file, and the recipe's setting that decides what they would; one of them in the file would be a
second, silent truth."""
NOT_SUPPORTED: Final = ("offload_optimizer", "offload_param", "cpu_offload", "cpu_offload_param", "zenflow")
"""Keys of its zero_optimization that move states to where this project does not look for them."""

PLACE: Final = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""By these a launcher tells a process which rank it is, and where the ranks meet."""


class FirstRankError(UserError):
    """The first rank met an error that only it can tell of."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("the first rank could not go on; its own message says why")
        self.exit_code = exit_code


@dataclass(frozen=True)
class Ranks:
    """This process among all."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Add a tensor up over all ranks, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def said_by_first(self, number: int) -> int:
        """Return the first rank's number on every rank."""
        return int(self.sum(torch.tensor([number if self.first else 0], device=self.device)))

    def done_by_first(self, act: Callable[[], int]) -> int:
        """Have the first rank act and return its number on every rank; where it fails, every rank ends with its code.

        Raises:
            UserError: on the first rank what went wrong there, on the others that it did.
        """
        number, code, error = 0, 0, None
        if self.first:
            try:
                number = act()
            except UserError as raised:
                code, error = raised.exit_code, raised
        number, code = self.sum(torch.tensor([number, code], device=self.device)).tolist()
        if code:
            raise error or FirstRankError(code)
        return int(number)

    def alike(self, text: str) -> bool:
        """Say whether every rank has the first one's text, the same answer on all."""
        own = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])
        other = int(own != self.said_by_first(own))
        return not int(self.sum(torch.tensor([other], device=self.device)))

    def wait(self) -> None:
        """Return when every rank has come here."""
        if self.world > 1:
            dist.barrier()


def start_ranks(timeout_minutes: float = 30) -> Ranks:
    """Join the processes a launcher started (RANK, WORLD_SIZE, LOCAL_RANK, ...), or be the only one.

    Args:
        timeout_minutes: how long a rank waits for another before it fails.
    """
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    _without_compiler()
    if "RANK" not in os.environ:
        os.environ.update(zip(PLACE, ("0", "0", "1", "127.0.0.1", str(free_port())), strict=True))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", local) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        deepspeed.init_distributed(
            "nccl" if on_gpu else "gloo",
            auto_mpi_discovery=False,
            verbose=False,
            timeout=timedelta(minutes=timeout_minutes),
        )
        # The group over which DeepSpeed sums gradients is its own, and torch gives it 10 or 30 minutes otherwise.
        _set_pg_timeout(timedelta(minutes=timeout_minutes), groups._get_data_parallel_group())
    return Ranks(dist.get_rank(), dist.get_world_size(), device)


def _without_compiler() -> None:
    """Keep DeepSpeed from compiling its shared-memory op at start: that needs g++ and ninja, and gloo does as well."""
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def end_ranks() -> None:
    """Leave the other ranks, so that no process group is torn down by the interpreter's end.

    DeepSpeed's own call forgets the groups it keeps, and a rank that was alone leaves no place in the environment: the
    next run of this process starts as this one did.
    """
    if dist.is_initialized():
        deepspeed.comm.destroy_process_group()
    if os.environ.get("WORLD_SIZE") == "1":
        for name in PLACE:
            os.environ.pop(name, None)


@contextmanager
def lost_ranks_told(timeout_minutes: float) -> Iterator[None]:
    """Say what it means when an exchange between ranks fails: another rank is gone, or hangs.

    Gloo raises in the rank that waits. NCCL ends the whole process from a thread of its own, with its own message.

    Raises:
        LostRankError: an exchange failed.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if "gloo/transport" not in text and not isinstance(error, dist.DistStoreError):
            raise
        if "timed out" in text.lower():
            raise LostRankError(
                f"another rank gave no answer for {timeout_minutes:g} minutes (guard.timeout_minutes). The one that "
                "does not end with this message is the one that hangs. The same command goes on from the last "
                "checkpoint"
            ) from error
        raise LostRankError(
            "the connection to another rank broke; that rank's own message says why. The same command goes on from the "
            "last checkpoint"
        ) from error


def read_ds_config(path: str | None) -> dict[str, Any]:
    """Read a DeepSpeed JSON file; None is the one that ships with the project.

    Raises:
        MissingInputError: no such file.
        SettingsError: not a JSON object.
    """
    if path is None:
        shipped = configs_root() / "ds_config.json"
        text = (shipped if shipped.is_file() else Path(str(configs_root())).parent / "ds_config.json").read_text()
    elif not Path(path).is_file():
        raise MissingInputError(f"{path}: no such DeepSpeed configuration")
    else:
        text = Path(path).read_text(encoding="utf-8")
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{path}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise SettingsError(f"{path}: expected a JSON object")
    return found


def fill_ds_config(given: Mapping[str, Any], recipe: Recipe, world: int) -> dict[str, Any]:
    """Fill the "auto" values in from the recipe and refuse what would contradict it.

    Accumulation stands at 1 because the loop itself says which micro-batch ends a step, and their number may differ
    from stage to stage.

    Raises:
        SettingsError: a value differs from the recipe's, or the file asks for what is not supported here.
    """
    for key, setting in OURS.items():
        if key in given:
            raise SettingsError(
                f"DeepSpeed configuration: '{key}' is decided by the recipe's {setting}; take it out of the file"
            )
    zero = given.get("zero_optimization") or {}
    if not isinstance(zero, Mapping):
        raise SettingsError(f"DeepSpeed configuration: zero_optimization is {zero!r}, expected an object")
    _check_zero(zero, recipe)
    wanted: dict[str, tuple[float, str]] = {
        "train_batch_size": (world, "stages.N.batch_rows says how many rows a step has, and each rank counts as one"),
        "train_micro_batch_size_per_gpu": (1, "micro_rows says how many rows are computed at once"),
        "gradient_accumulation_steps": (1, "stages.N.batch_rows and micro_rows say how many micro-batches a step has"),
        "gradient_clipping": (recipe.optimizer.gradient_clipping, "optimizer.gradient_clipping says so"),
    }
    filled = {**given, "zero_optimization": dict(zero)}
    for key, (value, reason) in wanted.items():
        if filled.setdefault(key, AUTO) not in (AUTO, value):
            raise SettingsError(
                f"DeepSpeed configuration: {key} is {filled[key]}, the recipe makes it {value}: its {reason}. Write "
                '"auto" there'
            )
        filled[key] = value
    left = [key for key, value in flatten(filled).items() if value == AUTO]
    if left:
        raise SettingsError(f'DeepSpeed configuration: no recipe setting fills "auto" at {", ".join(left)}')
    filled.setdefault("steps_per_print", 10**9)
    # Parameters and gradients are fp32 and a client optimizer is given on purpose.
    filled["zero_allow_untested_optimizer"] = True
    filled["zero_force_ds_cpu_optimizer"] = False
    return filled


def _check_zero(zero: Mapping[str, Any], recipe: Recipe) -> None:
    stage = zero.get("stage", 0)
    if stage not in (0, 1, 2):
        raise SettingsError(
            f"DeepSpeed configuration: zero_optimization.stage {stage} is not supported: checkpoints here are by "
            "parameter name for any number of ranks, and stage 3 has no whole parameter on any rank. Use 0, 1 or 2"
        )
    if stage and recipe.optimizer.name in NEEDS_REAL_SHAPES:
        raise SettingsError(
            f"optimizer.name {recipe.optimizer.name} needs each parameter in its own shape, and ZeRO stage {stage} "
            "shows the optimizer one flat tensor. Use stage 0, or --set optimizer.name=adamw"
        )
    if recipe.optimizer.gradient_clipping and not zero.get("compute_grad_norm", True):
        raise SettingsError(
            "DeepSpeed configuration: zero_optimization.compute_grad_norm is false, and the recipe's "
            f"optimizer.gradient_clipping {recipe.optimizer.gradient_clipping:g} needs that norm; take it out"
        )
    for key in NOT_SUPPORTED:
        if zero.get(key):
            raise SettingsError(f"DeepSpeed configuration: zero_optimization.{key} is not supported; take it out")


def make_engine(module: nn.Module, optimizer: Optimizer, config: Mapping[str, Any]) -> Any:
    """Put a module and its optimizer under a DeepSpeed engine.

    Args:
        module: fp32 parameters, on this rank's device.
        config: as `fill_ds_config` returns it.
    """
    engine, _, _, _ = deepspeed.initialize(
        model=module, optimizer=optimizer, config=dict(config), dist_init_required=False
    )
    return engine
