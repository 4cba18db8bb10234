"""A run learns: a few documents, seen often enough, are known by heart."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_runs import losses, plain_command, run_command

CHANGES = {
    "sequences": "doc_sentences",
    "objectives": "[{name: mlm}]",
    "optimizer.name": "adamw",
    "optimizer.peak_lr": "5e-4",
    "schedule.decay": "constant",
    "dropout": "0.0",
    "precision": "fp32",
    "held_out": "0.0",
    "model": "tiny",
    "stages": "[{steps: 300, row_tokens: 128, batch_rows: 8}]",
    "log.every_steps": "10",
}


@pytest.mark.slow
def test_ten_documents_are_learned_by_heart(few_shards: Path, tmp_path: Path) -> None:
    """Attention, marks, labels and optimizer all have to be right for this: a model that sees only how common tokens
    are stays above 5."""
    done = run_command(plain_command(few_shards, tmp_path / "run", CHANGES))
    assert done.returncode == 0, done.stderr
    log = losses(tmp_path / "run")
    assert log[0]["mlm_loss"] > 5.5
    assert min(line["mlm_loss"] for line in log[-5:]) < 4
