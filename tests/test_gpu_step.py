"""The benchmark for GPUs runs to its end on any machine, so that whoever has one can rely on it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "bench" / "gpu_step.py"


@pytest.mark.slow
def test_the_benchmark_for_gpus_runs_to_its_end_on_any_machine(tmp_path: Path) -> None:
    line = [sys.executable, str(SCRIPT), str(tmp_path), "--small"]
    ended = subprocess.run(line, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) == 5
    found = json.loads((tmp_path / "gpu_step.json").read_text(encoding="utf-8"))
    assert len(found["runs"]) == 4
    assert len(found["bars"]) == 5
    full = found["runs"]["full rows"]
    assert {name: gate["passed"] for name, gate in full["gate"].items()} == {"ours": True, "ours compiled": True}
    assert all(held > 0 for held in full["most memory, MiB"].values())
    shares = full["profile"]["ours compiled"]
    assert sum(shares.values()) == pytest.approx(1, abs=1e-2)
    assert {"matrix products", "attention", "fused by the compiler"} <= shares.keys()
    assert "matrix products" in (tmp_path / "profile.txt").read_text(encoding="utf-8")
    assert (tmp_path / "profile.trace.json.gz").stat().st_size > 0
