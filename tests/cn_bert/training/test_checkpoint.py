"""What a checkpoint holds comes back bit for bit, and `cn-bert verify` says what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cn_bert.cli import main
from cn_bert.training import checkpoint, snapshot
from cn_bert.training.checkpoint import MANIFEST, MOMENTS, NEEDED, WEIGHTS
from cn_bert.training.snapshot import PROBE, Snapshot
from cn_bert.training.states import States
from corpus_tools.errors import UnverifiedError


def snapshot_of(step: int) -> Snapshot:
    torch.manual_seed(step)
    names = ("encoder.weight", "cls.bias")
    weights = {name: torch.randn(4, 3) for name in names}
    moments = {f"{moment}.{name}": torch.rand(4, 3) for name in names for moment in ("exp_avg", "exp_avg_sq")}
    return Snapshot(step, States(weights, moments), {"tokens": 10 * step}, {"labels": torch.arange(step)})


def test_what_was_saved_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    place = snapshot.write(tmp_path, snapshot_of(7))
    assert sorted(path.name for path in place.iterdir()) == sorted((*NEEDED, PROBE, MANIFEST))
    assert checkpoint.verify(place) == []
    found, expected = snapshot.load(tmp_path, 7), snapshot_of(7)
    assert (found.step, found.state) == (7, {"step": 7, "tokens": 70})
    pairs = ((found.states.weights, expected.states.weights), (found.states.moments, expected.states.moments))
    for ours, theirs in (*pairs, (found.probe, expected.probe)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert load_file(place / WEIGHTS).keys() == expected.states.weights.keys()  # a plain file, for anyone to read


def test_a_run_that_has_not_updated_yet_has_no_moments(tmp_path: Path) -> None:
    snapshot.write(tmp_path, Snapshot(1, States({"w": torch.ones(2)}, {}), {}, {}))
    assert checkpoint.newest(tmp_path) == (1, [])
    assert snapshot.load(tmp_path, 1).states.moments == {}


@pytest.mark.parametrize("name", [WEIGHTS, MOMENTS, PROBE])
def test_files_that_go_bad_between_verifying_and_loading_are_an_unverified_checkpoint(
    tmp_path: Path, name: str
) -> None:
    place = snapshot.write(tmp_path, snapshot_of(3))
    (place / name).write_bytes(b"\0" * 5)
    with pytest.raises(UnverifiedError, match="step-3"):
        snapshot.load(tmp_path, 3)


def test_verify_says_of_each_checkpoint_what_is_wrong_and_ends_with_76_if_the_newest_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["verify", str(run)]) == 66
    assert "no checkpoint" in capsys.readouterr().err
    for step in (1, 2):
        snapshot.write(run / "checkpoints", snapshot_of(step))
    assert main(["verify", str(run)]) == 0
    assert capsys.readouterr().out.splitlines() == ["step-1: sound", "step-2: sound"]
    damage(run / "checkpoints" / "step-1" / MOMENTS)
    assert main(["verify", str(run), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["step-2"] == []
    assert MOMENTS in told["step-1"][0]
    damage(run / "checkpoints" / "step-2" / PROBE)
    assert main(["verify", str(run)]) == 76
    assert PROBE in capsys.readouterr().out.splitlines()[1]


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
