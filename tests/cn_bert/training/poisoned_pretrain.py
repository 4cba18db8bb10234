"""`cn-bert` whose second rank alone has a gradient that is no number, at some steps.

    python poisoned_pretrain.py STEP,STEP,... ARGUMENT...

Every rank sees to it that its weights stay, to the bit.
"""

from __future__ import annotations

import sys
from typing import Any

from cn_bert.accelerator import name_accelerator

name_accelerator()

import torch  # noqa: E402

from cn_bert.cli import main  # noqa: E402
from cn_bert.training import run  # noqa: E402

BIAS = "model.cls.predictions.bias"


def poison(steps: set[int]) -> None:
    train_step = run.train_step

    def poisoned(engine: Any, batch: Any, objectives: Any, ranks: Any, *, step: int, **more: Any) -> Any:
        if step not in steps:
            return train_step(engine, batch, objectives, ranks, step=step, **more)
        before = [parameter.detach().clone() for parameter in engine.module.parameters()]
        share = torch.inf if ranks.rank == 1 else 1.0
        handle = engine.module.get_parameter(BIAS).register_hook(lambda gradient: gradient * share)
        outcome = train_step(engine, batch, objectives, ranks, step=step, **more)
        handle.remove()
        assert outcome.skipped == "gradient"
        assert all(map(torch.equal, before, engine.module.parameters()))
        return outcome

    run.train_step = poisoned


if __name__ == "__main__":
    poison({int(step) for step in sys.argv[1].split(",")})
    raise SystemExit(main(sys.argv[2:]))
