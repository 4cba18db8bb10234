"""The launchers of clusters start the same command: torchrun, and DeepSpeed's with --local_rank before the verb.

Two nodes are two launchers on the loopback, with a rank each.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_runs import command, environment, losses, run_command

from cn_bert.launch import free_port

FEW = ("stages.0.steps=3", "stages.1.steps=1", "evaluate.max_rows=4")


@pytest.fixture(scope="module")
def alone(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    out = tmp_path_factory.mktemp("alone") / "run"
    done = run_command(command(shards, out, changes=FEW))
    assert done.returncode == 0, done.stderr
    return losses(out)


def arguments(shards: Path, out: Path) -> list[str]:
    """Return the words after `-m cn_bert`."""
    return command(shards, out, changes=FEW)[3:]


def assert_same(out: Path, alone: list[dict]) -> None:
    assert [line["step"] for line in losses(out)] == [1, 2, 3, 4]
    for ours, theirs in zip(losses(out), alone, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert ours["tokens"] == theirs["tokens"]


@pytest.mark.slow
def test_torchrun_has_the_losses_of_one_rank(
    shards: Path, tmp_path: Path, alone: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(free_port()),
    ]
    done = run_command([*launcher, "-m", "cn_bert", *arguments(shards, tmp_path / "run")])
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "run", alone)


@pytest.mark.slow
def test_deepspeed_has_the_losses_of_one_rank(
    shards: Path, tmp_path: Path, alone: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the processor also where there is a GPU, which two ranks could not share."""
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    launcher = ["deepspeed", "--num_gpus", "2", "--master_port", str(free_port()), "--module", "cn_bert"]
    done = run_command([*launcher, *arguments(shards, tmp_path / "run")])
    assert done.returncode == 0, done.stderr
    assert_same(tmp_path / "run", alone)


@pytest.fixture(scope="module")
def on_one_machine(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """The log of two ranks on one machine."""
    out = tmp_path_factory.mktemp("one_machine") / "run"
    done = run_command(command(shards, out, "--nproc", "2", changes=FEW))
    assert done.returncode == 0, done.stderr
    return losses(out)


def torchrun_node(node: int, port: int, folder: Path) -> list[str]:
    place = ["--nnodes", "2", "--node-rank", str(node), "--nproc-per-node", "1"]
    address = ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    return [sys.executable, "-m", "torch.distributed.run", *place, *address, "-m", "cn_bert"]


def deepspeed_node(node: int, port: int, folder: Path) -> list[str]:
    """By a hostfile; without ssh the launcher is started on each of its hosts."""
    hostfile = folder / "hostfile"
    hostfile.write_text("127.0.0.1 slots=1\nlocalhost slots=1\n", encoding="utf-8")
    place = ["--hostfile", str(hostfile), "--no_ssh", "--node_rank", str(node)]
    return ["deepspeed", *place, "--master_addr", "127.0.0.1", "--master_port", str(port), "--module", "cn_bert"]


@pytest.mark.slow
@pytest.mark.parametrize("node_of", [torchrun_node, deepspeed_node])
def test_two_nodes_have_the_losses_of_one_machine_with_two_ranks(
    shards: Path,
    tmp_path: Path,
    on_one_machine: list[dict],
    monkeypatch: pytest.MonkeyPatch,
    node_of: Callable[[int, int, Path], list[str]],
) -> None:
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    port, words = free_port(), arguments(shards, tmp_path / "run")
    nodes = [
        subprocess.Popen([*node_of(node, port, tmp_path), *words], env=environment(), stderr=subprocess.PIPE, text=True)
        for node in (0, 1)
    ]
    for node in nodes:
        _, told = node.communicate(timeout=300)
        assert node.returncode == 0, told
    assert bits(losses(tmp_path / "run")) == bits(on_one_machine)


def bits(log: list[dict]) -> list[tuple[int, float, int]]:
    return [(line["step"], line["loss"], line["tokens"]) for line in log]


SRUN = """#!/bin/bash
# As Slurm's: the command once for each task, and the highest exit code.
while [[ $1 == --* ]]; do shift; done
tasks=()
for ((task = 0; task < SLURM_NTASKS; task++)); do
    SLURM_PROCID=$task SLURM_LOCALID=$task "$@" & tasks+=($!)
done
highest=0
for task in "${tasks[@]}"; do
    wait "$task"; code=$?
    ((code > highest)) && highest=$code
done
exit $highest
"""
SCONTROL = """#!/bin/bash
if [ "$1" = show ]; then echo 127.0.0.1; else echo "$*" > "$TOLD"; fi
"""


def run_sbatch_file(folder: Path, cn_bert: str) -> tuple[int, str]:
    """Run the file for sbatch that the docs have, with stand-ins for Slurm's commands and for `cn-bert`.

    Returns:
        Its exit code, and what scontrol was told beside the question for the hosts.
    """
    page = (Path(__file__).parents[3] / "docs" / "clusters.md").read_text(encoding="utf-8")
    (job,) = (block for block in page.split("```bash\n") if block.startswith("#!/bin/bash\n#SBATCH"))
    (folder / "job.sh").write_text(job.split("```")[0], encoding="utf-8")
    for name, script in {"srun": SRUN, "scontrol": SCONTROL, "cn-bert": cn_bert}.items():
        (folder / name).write_text(script, encoding="utf-8")
        (folder / name).chmod(0o755)
    given = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_CPUS_PER_TASK": "1", "SLURM_JOB_NODELIST": "a"}
    places = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "TOLD": str(folder / "told")}
    job_id = {"SLURM_JOB_ID": str(free_port())}
    line = ["bash", str(folder / "job.sh")]
    done = subprocess.run(line, env=environment() | given | places | job_id, timeout=300, check=False)
    told = folder / "told"
    return done.returncode, told.read_text().replace(job_id["SLURM_JOB_ID"], "ID").strip() if told.exists() else ""


def test_the_sbatch_file_requeues_a_stopped_run_and_no_other(tmp_path: Path) -> None:
    assert run_sbatch_file(tmp_path, "#!/bin/bash\nexit 64\n") == (64, "")
    assert run_sbatch_file(tmp_path, "#!/bin/bash\nexit 75\n") == (75, "requeue ID")


@pytest.mark.slow
def test_the_sbatch_file_trains_on_two_ranks(shards: Path, tmp_path: Path, on_one_machine: list[dict]) -> None:
    words = shlex.join([sys.executable, "-m", "cn_bert", *arguments(shards, tmp_path / "run")])
    assert run_sbatch_file(tmp_path, f"#!/bin/bash\nexec {words}\n") == (0, "")
    assert bits(losses(tmp_path / "run")) == bits(on_one_machine)
