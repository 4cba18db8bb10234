"""A checkpoint is whole or absent: writers that die anywhere, files cut or flipped anywhere, and what is used then."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cn_bert.cli import main
from cn_bert.training import checkpoint
from cn_bert.training.checkpoint import MANIFEST, MOMENTS, STATE, WEIGHTS
from cn_bert.training.states import States, gather_states, restore_states
from corpus_tools.errors import DiskError, UnverifiedError

FILES = (WEIGHTS, MOMENTS, STATE, MANIFEST)


def states(number: int) -> States:
    torch.manual_seed(number)
    names = ("encoder.weight", "cls.bias")
    weights = {name: torch.randn(4, 3) for name in names}
    return States(
        weights, {f"{moment}.{name}": torch.rand(4, 3) for name in names for moment in ("exp_avg", "exp_avg_sq")}
    )


def save(folder: Path, step: int, keep: int = 3) -> Path:
    return checkpoint.save(folder, step, states(step), {"tokens": 10 * step}, keep)


def assert_is(folder: Path, step: int) -> None:
    """The newest checkpoint is this step's, bit for bit."""
    assert checkpoint.newest(folder)[0] == step
    found, expected = checkpoint.load(folder, step), states(step)
    assert (found.step, found.state["tokens"]) == (step, 10 * step)
    for ours, theirs in ((found.states.weights, expected.weights), (found.states.moments, expected.moments)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_was_saved_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    assert sorted(path.name for path in save(tmp_path, 7).iterdir()) == sorted(FILES)
    assert_is(tmp_path, 7)
    assert checkpoint.verify(tmp_path / "step-7") == []


def test_no_checkpoint_is_no_fault(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path / "nowhere") == (None, [])
    (tmp_path / "step-x").mkdir()
    (tmp_path / "notes").mkdir()
    assert checkpoint.newest(tmp_path) == (None, [])


@pytest.mark.parametrize(("keep", "left"), [(1, [30]), (2, [20, 30]), (5, [3, 20, 30])])
def test_the_newest_are_kept(tmp_path: Path, keep: int, left: list[int]) -> None:
    for step in (3, 20, 30):
        save(tmp_path, step, keep)
    assert checkpoint.steps(tmp_path) == left


CRASHES = ["mkdir", "weights", "moments", "half weights", "state", "sync", "manifest", "describe", "rename"]


@pytest.mark.parametrize("gone", [False, True], ids=["error", "killed"])
@pytest.mark.parametrize("crash", CRASHES)
def test_a_writer_that_dies_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash: str, gone: bool
) -> None:
    """`gone`: as kill -9 does it, nothing is cleaned up; otherwise as a full disk does it."""
    save(tmp_path, 1)
    with monkeypatch.context() as broken:
        break_at(broken, crash)
        if gone:
            broken.setattr(shutil, "rmtree", lambda *a, **k: None)
        with pytest.raises(DiskError, match="step-2"):
            save(tmp_path, 2)
    assert checkpoint.steps(tmp_path) == [1]
    assert_is(tmp_path, 1)
    if not gone:
        assert [entry.name for entry in tmp_path.iterdir()] == ["step-1"]

    save(tmp_path, 2)
    assert_is(tmp_path, 2)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["step-1", "step-2"]


def break_at(broken: pytest.MonkeyPatch, crash: str) -> None:
    """Make one stage of the writer fail as a full disk would."""

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    def only_for(name: str, real):
        return lambda path, *more: fail() if Path(path).name == name else real(path, *more)

    def save_file(tensors: dict, path: Path) -> None:
        if "half" in crash:
            path.write_bytes(b"\0" * 100)
        if path.name == (MOMENTS if crash == "moments" else WEIGHTS):
            fail()
        real_save(tensors, path)

    real_save = checkpoint.save_file
    if crash == "mkdir":
        broken.setattr(Path, "mkdir", fail)
    elif crash in ("weights", "moments", "half weights"):
        broken.setattr(checkpoint, "save_file", save_file)
    elif crash in ("state", "manifest"):
        broken.setattr(
            checkpoint, "write_json", only_for(STATE if crash == "state" else MANIFEST, checkpoint.write_json)
        )
    elif crash == "sync":
        broken.setattr(os, "fsync", fail)
    elif crash == "describe":
        broken.setattr(checkpoint, "sha256_file", fail)
    else:
        broken.setattr(checkpoint, "replace_whole", fail)


def test_a_writer_that_died_with_another_number_leaves_nothing_for_ever(tmp_path: Path) -> None:
    (tmp_path / "step-1.tmp-1").mkdir()
    (tmp_path / "step-1.tmp-1" / WEIGHTS).write_bytes(b"half")
    save(tmp_path, 2)
    assert [entry.name for entry in tmp_path.iterdir()] == ["step-2"]


DAMAGES = {
    "gone": lambda content: None,
    "empty": lambda content: b"",
    "a byte": lambda content: content[:1],
    "half": lambda content: content[: len(content) // 2],
    "all but one": lambda content: content[:-1],
    "one more": lambda content: content + b"\n ",
    "first bit": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "a bit in the middle": lambda content: flip(content, len(content) // 2),
    "last bit": lambda content: flip(content, len(content) - 2),
}


def flip(content: bytes, place: int, bit: int = 1) -> bytes:
    return content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]


def damage(path: Path, name: str) -> None:
    content = DAMAGES[name](path.read_bytes())
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


CASES = [(file, kind) for file in FILES for kind in DAMAGES]
CASES.remove((MANIFEST, "one more"))  # white space after JSON says nothing else


@pytest.mark.parametrize(("file", "kind"), CASES)
def test_a_damaged_file_is_noticed_and_the_older_checkpoint_used(tmp_path: Path, file: str, kind: str) -> None:
    if file == MANIFEST and kind in ("all but one", "last bit"):
        kind = "half"  # the last byte is the newline
    save(tmp_path, 1)
    damage(save(tmp_path, 2) / file, kind)
    step, faults = checkpoint.newest(tmp_path)
    assert step == 1
    assert len(faults) == 1
    assert str(tmp_path / "step-2" / ("" if file == MANIFEST else file)) in faults[0]


def test_no_bit_of_a_manifest_can_flip_without_notice_or_with_a_crash(tmp_path: Path) -> None:
    """A flipped manifest may still say the same of the files (white space), but it is never anything but a fault."""
    path = save(tmp_path, 1) / MANIFEST
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(flip(whole, place, 1 << place % 7))
        if not checkpoint.verify(path.parent):
            assert json.loads(path.read_bytes()) == json.loads(whole)


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"files": []}', '{"files": {"state.json": 3}}'])
def test_a_manifest_of_another_shape_is_a_fault(tmp_path: Path, text: str) -> None:
    folder = save(tmp_path, 1)
    (folder / MANIFEST).write_text(text)
    assert len(checkpoint.verify(folder)) == 1


def test_where_none_verifies_nothing_is_used(tmp_path: Path) -> None:
    for step in (1, 2):
        damage(save(tmp_path, step) / WEIGHTS, "half")
    with pytest.raises(UnverifiedError) as caught:
        checkpoint.newest(tmp_path)
    assert caught.value.exit_code == 76
    assert "step-1" in str(caught.value)
    assert "step-2" in str(caught.value)


def test_verify_says_it_with_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["verify", str(run)]) == 66
    assert "no checkpoint" in capsys.readouterr().err
    for step in (1, 2):
        save(run / "checkpoints", step)
    assert main(["verify", str(run)]) == 0
    assert capsys.readouterr().out.splitlines() == ["step-1: whole", "step-2: whole"]
    damage(run / "checkpoints" / "step-1" / MOMENTS, "a bit in the middle")
    assert main(["verify", str(run), "--json"]) == 76
    told = json.loads(capsys.readouterr().out)
    assert told["step-2"] == []
    assert MOMENTS in told["step-1"][0]


def test_states_go_into_a_fresh_optimizer_and_out_again(tmp_path: Path) -> None:
    """Stage 0 without DeepSpeed: after a resume the next update is bit for bit the one that would have come."""
    going, later = (fake_engine(seed) for seed in (1, 2))
    for number in range(3):
        update(going, number)
    checkpoint.save(tmp_path, 3, gather_states(going), {}, 1)
    restore_states(later, checkpoint.load(tmp_path, 3).states, 3)
    for engine in (going, later):
        update(engine, 3)
    for ours, theirs in zip(later.module.model.parameters(), going.module.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def fake_engine(seed: int) -> SimpleNamespace:
    torch.manual_seed(seed)
    model = torch.nn.Linear(4, 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    return SimpleNamespace(module=SimpleNamespace(model=model), optimizer=optimizer, zero_optimization_stage=lambda: 0)


def update(engine: SimpleNamespace, number: int) -> None:
    torch.manual_seed(100 + number)
    engine.optimizer.zero_grad()
    engine.module.model(torch.randn(5, 4)).square().sum().backward()
    engine.optimizer.step()
