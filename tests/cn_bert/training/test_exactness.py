"""The promises of a run: the same losses on any number of ranks, whatever fits into memory, and after any stop."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from injections import INJECTED
from small_runs import SMALL, command, environment, losses, run_command

from cn_bert.config import load_recipe
from cn_bert.data.mixture import open_mixture
from cn_bert.data.rows import build_sequence
from cn_bert.launch import free_port
from cn_bert.training.run_folder import fill_recipe
from cn_bert.training.schedule import stage_of
from cn_bert.training.stage import Stages

TOTAL = 20
STRANGE_NAME = "-运行 'a\"b' 😀\n2"


@pytest.fixture(scope="module")
def calm(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """The log of the run on one rank that nothing interrupts."""
    out = tmp_path_factory.mktemp("calm") / "run"
    done = run_command(command(shards, out))
    assert done.returncode == 0, done.stderr
    return losses(out)


def bits(log: list[dict]) -> list[tuple[int, float, int]]:
    return [(line["step"], line["loss"], line["tokens"]) for line in log]


def assert_close(log: list[dict], calm: list[dict], relative: float = 1e-5) -> None:
    assert [line["step"] for line in log] == list(range(1, TOTAL + 1))
    for ours, theirs in zip(log, calm, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=relative), f"step {ours['step']}"
        assert ours["tokens"] == theirs["tokens"]


def test_the_loss_falls_and_starts_where_a_uniform_guess_is(calm: list[dict]) -> None:
    first = calm[0]
    assert first["mlm_loss"] == pytest.approx(torch.tensor(2500.0).log().item(), abs=0.4)
    assert first["nsp_loss"] == pytest.approx(0.693, abs=0.15)
    assert calm[13]["mlm_loss"] < first["mlm_loss"]


def test_two_ranks_have_the_losses_of_one(shards: Path, tmp_path: Path, calm: list[dict]) -> None:
    done = run_command(command(shards, tmp_path / "run", "--nproc", "2"))
    assert done.returncode == 0, done.stderr
    assert_close(losses(tmp_path / "run"), calm)


@pytest.mark.parametrize("micro_rows", [1, 2, 100])
def test_micro_rows_change_memory_and_nothing_else(tmp_path: Path, calm: list[dict], run_here, micro_rows: int) -> None:
    assert_close(run_here(tmp_path / "run", f"micro_rows={micro_rows}"), calm)


def test_a_run_in_two_parts_is_bit_equal_to_one(tmp_path: Path, calm: list[dict], run_here) -> None:
    """In this process and in a folder of a strange name; the calm one had a process of its own."""
    assert bits(run_here(tmp_path / STRANGE_NAME, max_steps=9)) == bits(calm)[:9]
    assert bits(run_here(tmp_path / STRANGE_NAME)) == bits(calm)


@pytest.mark.slow
def test_a_strange_place_changes_nothing(shards: Path, tmp_path: Path, calm: list[dict]) -> None:
    """No home, no network, another clock, no UTF-8 around, and folders of strange names."""
    data, out = tmp_path / STRANGE_NAME / "shards", tmp_path / STRANGE_NAME / "run"
    shutil.copytree(shards, data)
    INJECTED["strange place"] += 1
    strange = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Pacific/Kiritimati"}
    nowhere = {"HOME": "/nowhere", "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        command(data, out), env=environment() | strange | nowhere, capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert bits(losses(out)) == bits(calm)
    assert (out / "export" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGTERM, 75, marks=pytest.mark.slow), (signal.SIGKILL, -9)]
)
def test_a_stopped_run_goes_on_bit_equal(
    shards: Path, tmp_path: Path, calm: list[dict], number: int, code: int
) -> None:
    line = command(shards, tmp_path / "run", changes=("checkpoint.every_steps=2",))
    going = subprocess.Popen(line, env=environment(), stderr=subprocess.DEVNULL)
    wait_for_step(tmp_path / "run", 5, going)
    INJECTED["run stopped or killed"] += 1
    going.send_signal(number)
    assert going.wait(60) == code
    assert len(bits_now(tmp_path / "run")) < TOTAL
    again = run_command(line)
    assert again.returncode == 0, again.stderr
    assert "going on from step" in again.stderr
    assert bits(losses(tmp_path / "run")) == bits(calm)


def test_a_killed_launcher_leaves_no_rank_and_one_rank_finishes_what_two_began(
    shards: Path, tmp_path: Path, calm: list[dict]
) -> None:
    going = subprocess.Popen(
        command(shards, tmp_path / "run", "--nproc", "2", changes=("checkpoint.every_steps=3",)),
        env=environment(),
        stderr=subprocess.DEVNULL,
    )
    wait_for_step(tmp_path / "run", 4, going)
    INJECTED["run stopped or killed"] += 1
    going.kill()
    going.wait(30)
    deadline = time.monotonic() + 10
    while ranks_of(tmp_path / "run") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not ranks_of(tmp_path / "run")
    again = run_command(command(shards, tmp_path / "run", changes=("checkpoint.every_steps=3",)))
    assert again.returncode == 0, again.stderr
    assert_close(losses(tmp_path / "run"), calm)


PATHS = [
    [(1, 1, 11, "1"), (2, 2, TOTAL, "2")],
    pytest.param([(2, 0, 6, "auto"), (1, 1, 13, "1"), (2, 2, TOTAL, "2")], marks=pytest.mark.slow),
    pytest.param([(1, 0, 5, "auto"), (2, 1, 11, "3"), (4, 2, TOTAL, "1")], marks=pytest.mark.slow),
    pytest.param([(4, 1, 8, "auto"), (2, 0, 15, "auto"), (1, 2, TOTAL, "auto")], marks=pytest.mark.slow),
    pytest.param([(2, 2, 3, "1"), (4, 1, 14, "2"), (2, 0, TOTAL, "100")], marks=pytest.mark.slow),
    pytest.param([(4, 2, 14, "auto"), (1, 0, 15, "auto"), (4, 0, TOTAL, "auto")], marks=pytest.mark.slow),
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: "-".join(f"{ranks}xZeRO{zero}" for ranks, zero, *_ in path))
def test_ranks_zero_stage_and_micro_rows_may_change_on_the_way(
    shards: Path, tmp_path: Path, calm: list[dict], path: list[tuple[int, int, int, str]]
) -> None:
    """Part by part: ranks, ZeRO stage, last step, micro_rows. Every sequence is in its step, once, on one rank."""
    seen: dict[int, list[tuple[int, int]]] = {}
    begins = []
    INJECTED["ranks, ZeRO stage, micro_rows changed"] += len(path) - 1
    for number, (ranks, zero, last, micro_rows) in enumerate(path):
        begins.append(max(seen, default=0))
        config = tmp_path / f"zero{zero}.json"
        config.write_text(json.dumps({"zero_optimization": {"stage": zero}}))
        options = ("--max-steps", str(last), "--deepspeed_config", str(config))
        line = command(shards, tmp_path / "run", *options, changes=(f"micro_rows={micro_rows}",))
        run_ranks_logged(line, ranks, tmp_path / f"ids-{number}")
        for file in tmp_path.glob(f"ids-{number}.*"):
            for step, keys in map(json.loads, file.read_text().splitlines()):
                seen.setdefault(step, []).extend(map(tuple, keys))
    assert {step: sorted(keys) for step, keys in seen.items()} == sequences_of_steps(shards, tmp_path)
    everything = [key for keys in seen.values() for key in keys]
    assert len(set(everything)) == len(everything)
    log = losses(tmp_path / "run")
    assert_close(log, calm, relative=2e-5)
    for begin in begins:
        assert log[begin]["loss"] == pytest.approx(calm[begin]["loss"], rel=1e-5), f"first step after {begin}"


def run_ranks_logged(line: list[str], world: int, log: Path) -> None:
    """Run a command line on some ranks, each writing the sequences of its steps."""
    script = str(Path(__file__).with_name("logged_pretrain.py"))
    words = [line[0], script, str(log), *line[3:]]  # instead of `python -m cn_bert`
    port = str(free_port())
    going = []
    for rank in map(str, range(world)):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world)}
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        going.append(subprocess.Popen(words, env=environment() | place | address, stderr=subprocess.PIPE, text=True))
    for rank in going:
        _, told = rank.communicate(timeout=300)
        assert rank.returncode == 0, told


def sequences_of_steps(shards: Path, tmp_path: Path) -> dict[int, list[tuple[int, int]]]:
    """The twin: read off the plans which sequences each step of the run has."""
    recipe = fill_recipe(load_recipe("bert_wwm", SMALL).recipe)
    mixture = open_mixture([(str(shards), 1.0)], recipe.held_out)
    stages = Stages(recipe, mixture, tmp_path / "twin", torch.device("cpu"))
    found = {}
    for step in range(1, TOTAL + 1):
        number, within = stage_of(recipe, step)
        steps = stages[number].steps
        rows = [(steps.plans.plan(epoch), row) for epoch, row in steps.rows_of_step(within)]
        members = [(plan, member) for plan, row in rows for member in plan.row(row)]
        keys = (build_sequence(mixture, plan, member).key for plan, member in members)
        found[step] = sorted((int(key[1]), int(key[2])) for key in keys)
    return found


def wait_for_step(out: Path, step: int, going: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not any(number >= step for number in bits_now(out)):
        assert going.poll() is None, "the run ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def bits_now(out: Path) -> list[int]:
    try:
        text = (out / "log.jsonl").read_text()
    except FileNotFoundError:
        return []
    whole = text[: text.rfind("\n") + 1].splitlines()
    return [line["step"] for line in map(json.loads, whole) if "loss" in line]


def ranks_of(out: Path) -> list[int]:
    """List the processes whose command line names a run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                if str(out).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
