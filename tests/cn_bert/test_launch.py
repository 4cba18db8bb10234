"""Ranks of one machine: exit codes, a rank that fails, signals, and what each rank is told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cn_bert import launch
from cn_bert.launch import free_port, run_ranks


@pytest.fixture
def ranks_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Have every rank run a piece of Python in place of `-m cn_bert`; it has `rank`, `tmp` and `wait(name)`."""
    real = subprocess.Popen
    prelude = f"""
import os, signal, sys, time
from pathlib import Path
rank, tmp = int(os.environ["RANK"]), Path({str(tmp_path)!r})
def wait(name):
    while not (tmp / name).exists():
        time.sleep(0.01)
"""

    def run(program: str, nproc: int = 2) -> int:
        def start(line: list[str], **more: object) -> subprocess.Popen[bytes]:
            assert line[:3] == [sys.executable, "-m", "cn_bert"]
            return real([sys.executable, "-S", "-c", prelude + program, *line[3:]], **more)

        monkeypatch.setattr(launch.subprocess, "Popen", start)
        return run_ranks(["pretrain", "x"], nproc, 12345)

    return run


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("", 0),
        ("sys.exit(75)", 75),
        ("sys.exit(64)", 64),
        ("sys.exit(65 if rank == 1 else 0)", 65),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("os.kill(os.getpid(), signal.SIGABRT)", 134),
        ("if rank == 1: os.kill(os.getpid(), signal.SIGKILL)", 137),
    ],
)
def test_the_code_is_that_of_a_rank(ranks_run, program: str, code: int) -> None:
    assert ranks_run(program) == code


def test_the_code_is_that_of_the_rank_that_failed_first(ranks_run) -> None:
    program = """
if rank == 1:
    sys.exit(71)
time.sleep(0.5)
sys.exit(1)
"""
    assert ranks_run(program) == 71


@pytest.mark.parametrize("code", [1, 69])
def test_a_rank_that_only_lost_its_neighbour_does_not_hide_the_cause(ranks_run, code: int) -> None:
    """Its connection breaks when the other leaves the group, and it may be dead before the other has said why."""
    program = f"""
if rank == 1:
    sys.exit({code})
time.sleep(0.5)
sys.exit(74)
"""
    assert ranks_run(program) == 74


@pytest.mark.parametrize("code", [1, 69])
def test_a_rank_that_we_kill_is_named_and_is_not_the_cause(
    ranks_run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], code: int
) -> None:
    monkeypatch.setattr(launch, "_patience", lambda code: 0.2)
    assert ranks_run(f"sys.exit({code}) if rank == 1 else time.sleep(600)") == code
    assert capfd.readouterr().err == "cn-bert: rank 0 had not ended 0.2 s after another had failed, and was killed\n"


def test_a_rank_that_fails_ends_the_others(ranks_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_patience", lambda code: 0.2)
    program = """
(tmp / f"pid-{rank}").write_text(str(os.getpid()))
if rank == 2:
    wait("pid-0"); wait("pid-1")
    sys.exit(70)
time.sleep(600)
"""
    assert ranks_run(program, nproc=3) == 70
    for rank in range(3):
        assert not alive(int((tmp_path / f"pid-{rank}").read_text()))


def test_after_a_stop_the_others_may_finish(ranks_run, tmp_path: Path) -> None:
    """A checkpoint takes its time: a rank that ended with 75 does not have the others killed at once."""
    program = """
if rank == 0:
    sys.exit(75)
time.sleep(1)
(tmp / "finished").touch()
sys.exit(75)
"""
    assert ranks_run(program) == 75
    assert (tmp_path / "finished").exists()
    assert launch._patience(75) > 30 > launch._patience(1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_reaches_every_rank_once(ranks_run, tmp_path: Path, number: signal.Signals) -> None:
    program = """
seen = []
signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
signal.signal(signal.SIGINT, lambda *_: seen.append(2))
(tmp / f"ready-{rank}").touch()
while not seen:
    time.sleep(0.01)
time.sleep(0.3)
(tmp / f"seen-{rank}").write_text(str(seen))
sys.exit(75)
"""

    def send() -> None:
        while not all((tmp_path / f"ready-{rank}").exists() for rank in range(2)):
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    thread = threading.Thread(target=send)
    thread.start()
    assert ranks_run(program) == 75
    thread.join()
    assert [(tmp_path / f"seen-{rank}").read_text() for rank in range(2)] == ["[1]", "[1]"]
    assert signal.getsignal(number) is before


def test_what_a_rank_is_told(ranks_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "OMP_NUM_THREADS")
    ranks_run(f"(tmp / f'told-{{rank}}').write_text(' '.join([os.environ[name] for name in {names!r}] + sys.argv[1:]))")
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    for rank in range(2):
        told = (tmp_path / f"told-{rank}").read_text()
        assert told == f"{rank} {rank} 2 2 127.0.0.1 12345 {threads} pretrain x"


def test_threads_a_user_has_chosen_stay(ranks_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    ranks_run("(tmp / 'threads').write_text(os.environ['OMP_NUM_THREADS'])", nproc=1)
    assert (tmp_path / "threads").read_text() == "7"


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", free_port()))


def test_no_rank_outlives_a_launcher_that_was_killed(tmp_path: Path) -> None:
    rank = tmp_path / "rank.py"
    rank.write_text("import os, sys, time\nopen(sys.argv[1], 'w').write(str(os.getpid()) + chr(10))\ntime.sleep(600)\n")
    program = f"""
import subprocess, sys
from cn_bert import launch
real = subprocess.Popen
launch.subprocess.Popen = lambda line, **more: real([sys.executable, {str(rank)!r}, {str(tmp_path / "pid")!r}], **more)
launch.run_ranks([], 1, 1)
"""
    launcher = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 30
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pid = int((tmp_path / "pid").read_text())
    assert alive(pid)
    launcher.kill()
    launcher.wait(10)
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid)


def alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_ranks_keep_freed_memory_unless_told_otherwise(
    ranks_run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")
    monkeypatch.delenv(names[0], raising=False)
    monkeypatch.setenv(names[1], "1")
    ranks_run(f"(tmp / 'malloc').write_text(' '.join(os.environ[name] for name in {names}))", nproc=1)
    assert (tmp_path / "malloc").read_text() == f"{2**31 - 1} 1"
