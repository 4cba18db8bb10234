"""How long a checkpoint holds training up: written in the step against written in a thread beside it.

    python bench/checkpoint.py --out FOLDER [--model tiny] [--steps 24] [--rounds 5]

FOLDER is on the disk that is measured; what is written there is removed. Each round makes the same training steps
three times, in turn: with no checkpoint, with one after the first quarter that the step waits for, and with one that is
copied there and written by a thread, waited for at the end. The difference to the first is what the checkpoint cost;
give as many steps as a write lasts. Random rows, AdamW, one rank, bf16 where the machine has it. The gate: both
checkpoints verify. Prints one JSON object; ends with 1 if it fails.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from rounds import alternate, report

from cn_bert.config import ModelSettings, OptimizerSettings
from cn_bert.models import build_model
from cn_bert.objectives import Mlm
from cn_bert.training import checkpoint, proof
from cn_bert.training.module import PretrainingModule
from cn_bert.training.optim import build_optimizer
from cn_bert.training.precision import DTYPES, resolve_precision
from cn_bert.training.snapshot import Snapshot, write
from cn_bert.training.states import gather_states
from corpus_tools import configs

VOCABULARY, ROWS, LENGTH, MASKED = 21128, 4, 128, 19
STEP = {"waited for": 1, "beside": 2}
"""The checkpoint each side writes."""


class Training:
    """A model that learns random rows, step by step."""

    def __init__(self, shape: str) -> None:
        torch.manual_seed(0)
        settings = ModelSettings.model_validate(configs.load("model", shape)["model"])
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.module = PretrainingModule(
            build_model(settings, VOCABULARY, 0, 0.0).to(device), DTYPES[resolve_precision("auto", device)]
        )
        optimizer = build_optimizer(self.module, OptimizerSettings())
        self.engine: Any = SimpleNamespace(module=self.module, optimizer=optimizer, zero_optimization_stage=lambda: 0)
        self.rows = proof.from_tensors(random_rows())
        self.batch = self.rows.to(device)
        self.device = device

    def step(self) -> None:
        loss, _ = self.module(self.batch, [Mlm()], {"mlm": 1 / (ROWS * MASKED)})
        loss.backward()
        self.engine.optimizer.step()
        self.engine.optimizer.zero_grad()

    def snapshot(self, step: int) -> Snapshot:
        """Copy everything, and take what the model is known by."""
        states = gather_states(self.engine)
        live = dict(self.module.model.named_parameters())
        known_by = {
            "norms": proof.norms({**live, **states.moments}),
            "loss": proof.probe_loss(self.module, self.rows, [Mlm()], self.device),
        }
        return Snapshot(step, states, {"proof": known_by}, proof.to_tensors(self.rows))


def random_rows(n: int = ROWS) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, VOCABULARY, (n, LENGTH))
    masked = torch.arange(n)[:, None] * LENGTH + torch.arange(1, 1 + 6 * MASKED, 6)
    return {
        "input_ids": ids.reshape(1, -1),
        "token_type_ids": torch.zeros(1, n * LENGTH, dtype=torch.long),
        "position_ids": torch.arange(LENGTH).repeat(n)[None],
        "masked_positions": masked.flatten(),
        "labels": ids.flatten()[masked.flatten()],
        "cls_positions": torch.arange(0, n * LENGTH, LENGTH),
        "is_next": torch.full((n,), -1),
        proof.BOUNDS: torch.arange(0, n * LENGTH + 1, LENGTH, dtype=torch.int32),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    training, folder = Training(args.model), args.out / "checkpoints"
    pool = ThreadPoolExecutor(max_workers=1)
    copied: list[float] = []
    written: list[float] = []

    def timed_write(snapshot: Snapshot) -> None:
        since = time.perf_counter()
        write(folder, snapshot)
        written.append(time.perf_counter() - since)

    def waited_for() -> None:
        timed_write(training.snapshot(STEP["waited for"]))

    def beside() -> None:
        since = time.perf_counter()
        snapshot = training.snapshot(STEP["beside"])
        copied.append(time.perf_counter() - since)
        pool.submit(timed_write, snapshot)

    def side(save: Callable[[], None]) -> Callable[[], None]:
        def steps() -> None:
            for number in range(args.steps):
                training.step()
                if number == args.steps // 4:
                    save()
            pool.submit(int).result()  # what is still being written

        return steps

    sides = {"none": side(lambda: None), "waited for": side(waited_for), "beside": side(beside)}
    try:
        seconds = alternate(sides, args.rounds)
        pool.shutdown()
        sound = not any(checkpoint.verify(checkpoint.at(folder, step)) for step in STEP.values())
        size = sum(path.stat().st_size for path in checkpoint.at(folder, STEP["beside"]).iterdir())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    held = {
        name: [with_one - without for with_one, without in zip(seconds[name], seconds["none"], strict=True)]
        for name in STEP
    }
    report(
        {
            "model": args.model,
            "checkpoint, MiB": round(size / (1 << 20), 1),
            "seconds a step": round(statistics.median(seconds["none"]) / args.steps, 4),
            "seconds that training lost": {name: round(statistics.median(all), 3) for name, all in held.items()},
            "least and most": {name: [round(min(all), 3), round(max(all), 3)] for name, all in held.items()},
            "seconds standing still, beside": round(statistics.median(copied), 3),
            "seconds of writing": round(statistics.median(written), 3),
            "sound": sound,
        },
        ["torch", "safetensors"],
    )
    return 0 if sound else 1


if __name__ == "__main__":
    raise SystemExit(main())
