"""`cn-bert`, and a line in a file for every step this rank makes: which sequences it computed.

    python logged_pretrain.py FILE ARGUMENT...

The line is `[step, [[epoch, number], ...]]`, fillers left out; FILE gets the rank's number behind its name.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from cn_bert.accelerator import name_accelerator

name_accelerator()

from cn_bert.cli import main  # noqa: E402
from cn_bert.data import batches  # noqa: E402
from cn_bert.training import run  # noqa: E402


class Here(threading.local):
    """What this thread is putting into a micro-batch."""

    def __init__(self) -> None:
        self.keys: list[tuple[int, int]] = []
        """Of its sequences; those of rows that are only looked at before the first step go nowhere."""


HERE = Here()
KEYS: dict[int, list[tuple[int, int]]] = {}
"""Those of each micro-batch, by its identity: it is the same object until it is trained on."""


def watch(log: str) -> None:
    build_sequence, micro_batch, train_step = batches.build_sequence, batches.micro_batch, run.train_step

    def watched_sequence(*args: Any) -> Any:
        built = build_sequence(*args)
        HERE.keys.append((int(built.key[1]), int(built.key[2])))
        return built

    def watched_batch(*args: Any, **kwargs: Any) -> Any:
        HERE.keys = []
        made = micro_batch(*args, **kwargs)
        KEYS[id(made)] = HERE.keys
        return made

    def watched_step(engine: Any, batch: Any, *args: Any, step: int, **kwargs: Any) -> Any:
        outcome = train_step(engine, batch, *args, step=step, **kwargs)
        seen = [key for micro in batch.micro_batches for key in KEYS[id(micro)]]
        with open(f"{log}.{os.environ.get('RANK', '0')}", "a", encoding="utf-8") as file:
            file.write(json.dumps([step, seen]) + "\n")
        return outcome

    batches.build_sequence, batches.micro_batch, run.train_step = watched_sequence, watched_batch, watched_step


if __name__ == "__main__":
    watch(sys.argv[1])
    raise SystemExit(main(sys.argv[2:]))
