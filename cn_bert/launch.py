"""Start one process a rank on this machine and end with the code that tells what happened.

`deepspeed` and torchrun start the same command on clusters. This launcher is for one machine, and keeps what those
lose: a stop signal reaches every rank once, the exit code is a rank's own, and no rank outlives its parent.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Final

from corpus_tools.errors import LostRankError, StoppedError

GRACE_SECONDS: Final = 60.0
"""How long ranks may take to end once one of them has failed, before they are killed."""
KEEP_FREED_MEMORY: Final = {
    "MALLOC_MMAP_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
    "MALLOC_TOP_PAD_": str(256 << 20),
}
"""What has glibc keep what a step frees for the next one, unless the user's environment says otherwise.

On the CPU a run of 4x256 is 6 % faster so and holds 7 % more memory (bench/results/cpu_step.md)."""
_PR_SET_PDEATHSIG: Final = 1


def run_ranks(arguments: Sequence[str], nproc: int, port: int) -> int:
    """Run `python -m cn_bert ARGUMENTS` on `nproc` ranks and wait for all of them.

    Args:
        arguments: the command line, without --nproc.
        nproc: how many ranks, at least 1.
        port: a free TCP port at which the ranks find each other.

    Returns:
        0 if every rank ended with 0; otherwise the code of the first rank that did not, or 128 + the signal that
        ended it. A 1 and a 69 give way to another code: a rank whose neighbour has gone ends so, often before it.
    """
    ranks = [_start(arguments, rank, nproc, port) for rank in range(nproc)]
    old = {number: signal.signal(number, _forward(ranks)) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    try:
        return _wait(ranks)
    finally:
        for rank in ranks:
            if rank.poll() is None:
                rank.kill()
        for number, handler in old.items():
            signal.signal(number, handler)


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(arguments: Sequence[str], rank: int, world: int, port: int) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    environment = KEEP_FREED_MEMORY | environment
    if "OMP_NUM_THREADS" not in os.environ:
        environment["OMP_NUM_THREADS"] = str(max(1, len(os.sched_getaffinity(0)) // world))
    # A session of its own: Ctrl-C in the terminal then reaches the ranks through us, once, and not twice.
    return subprocess.Popen(
        [sys.executable, "-m", "cn_bert", *arguments],
        env=environment,
        start_new_session=True,
        preexec_fn=_die_with_parent,
    )


def _die_with_parent() -> None:
    """Have the kernel end this rank when its parent is gone, however that ended (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _forward(ranks: Sequence[subprocess.Popen[bytes]]) -> signal._HANDLER:
    def handler(number: int, frame: FrameType | None) -> None:
        for rank in ranks:
            if rank.poll() is None:
                rank.send_signal(signal.SIGTERM)

    return handler


def _wait(ranks: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait for all ranks; once one has failed the others get a while to follow, then are killed and named."""
    failed, patience, deadline, killed = 0, 0.0, float("inf"), False
    while True:
        codes = [rank.poll() for rank in ranks]
        for code in codes:
            if code and not failed:
                patience = _patience(code)
                deadline = time.monotonic() + patience
            if code and not killed and failed in (0, 1, LostRankError.exit_code):
                failed = _exit_code(code)
        if None not in codes:
            return failed
        if time.monotonic() > deadline and not killed:
            killed = True
            for number, rank in enumerate(ranks):
                if rank.poll() is None:
                    rank.kill()
                    print(
                        f"cn-bert: rank {number} had not ended {patience:g} s after another had failed, and was killed",
                        file=sys.stderr,
                    )
        time.sleep(0.05)


def _patience(code: int) -> float:
    """Return the seconds the other ranks have: they end by themselves after a stop, and hang after a crash."""
    return GRACE_SECONDS if code == StoppedError.exit_code else 5.0


def _exit_code(code: int) -> int:
    return code if code > 0 else 128 - code
