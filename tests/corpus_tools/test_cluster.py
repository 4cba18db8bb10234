"""The Ray engine: the same folder as the local one, whatever becomes of its nodes."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from small_builds import bytes_of, small_settings

from corpus_tools.build import build, plan_build
from corpus_tools.cli import main
from corpus_tools.errors import MissingInputError, OutOfMemoryError, SettingsError, StoppedError
from corpus_tools.progress import Progress
from corpus_tools.shards.write import finished

SLOWLY = "by_function:worker_jobs:slowly"


@pytest.fixture
def settings(tmp_path, text_file, vocab_file):
    return replace(small_settings(text_file, vocab_file, tmp_path / "out"), engine="ray", workers=0)


@pytest.fixture(scope="module")
def cluster():
    """A node that takes no task, to which tests add nodes that do."""
    from ray.cluster_utils import Cluster

    # Sooner than the ten seconds and more that Ray gives a node to answer; on one machine it answers or is gone.
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 4, "health_check_initial_delay_ms": 0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": quick})
        yield made
        made.shutdown()


@pytest.fixture
def nodes(cluster):
    """Two nodes of one processor each."""
    added = [cluster.add_node(num_cpus=1) for _ in range(2)]
    yield added
    for node in added:
        if node in cluster.worker_nodes:
            cluster.remove_node(node)


def local_bytes(settings, folder):
    build(replace(settings, engine="local", ray_address=None, workers=1, out=str(folder)))
    return bytes_of(folder)


@pytest.mark.slow
def test_ray_writes_the_folder_that_the_local_engine_writes(settings, cluster, nodes, tmp_path):
    asked = replace(settings, ray_address=cluster.address)
    last = []
    manifest = build(asked, last.append)
    assert bytes_of(settings.out) == local_bytes(settings, tmp_path / "local")
    assert (last[-1].tokens, last[-1].bytes_read) == (manifest.tokens, last[-1].bytes)


@pytest.mark.slow
def test_a_node_that_is_killed_costs_nothing_but_time(settings, cluster, nodes, tmp_path):
    asked = replace(settings, ray_address=cluster.address, segmenter=SLOWLY)
    killed = []

    def kill_one(progress: Progress) -> None:
        if progress.shards_done == 2 and not killed:
            killed.append(nodes[0])
            cluster.remove_node(nodes[0], allow_graceful=False)

    build(asked, kill_one)
    assert killed
    assert bytes_of(settings.out) == local_bytes(asked, tmp_path / "local")


@pytest.mark.slow
def test_a_stopped_build_goes_on_with_either_engine(settings, cluster, nodes, tmp_path):
    asked = replace(settings, ray_address=cluster.address, segmenter=SLOWLY)

    def stop(progress: Progress) -> None:
        if progress.shards_done == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(StoppedError, match="2 of 5 shards are done") as caught:
        build(asked, stop)
    assert caught.value.exit_code == 75
    assert signal.getsignal(signal.SIGTERM) == before
    assert not list(Path(settings.out).glob("*.tmp-*"))
    kept = {path: path.stat().st_mtime_ns for path in Path(settings.out).glob("shard-*.arrow")}
    build(replace(asked, engine="local", ray_address=None))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert bytes_of(settings.out) == local_bytes(asked, tmp_path / "local")


@pytest.mark.slow
def test_a_shard_whose_worker_always_dies_is_named_and_all_others_are_done(settings, cluster, nodes, text_file):
    text_file.write_text(text_file.read_text("utf-8") + "\n杀。\n", "utf-8")
    killing = "by_function:worker_jobs:always_dies_at_a_word"
    asked = replace(settings, ray_address=cluster.address, segmenter=killing)
    with pytest.raises(OutOfMemoryError, match=r"news.txt \(bytes .*died at every try"):
        build(asked)
    plan = plan_build(asked)
    done = [finished(Path(asked.out), job.number, plan.order.key) for job in plan.jobs]
    assert done.count(None) == 1


@pytest.mark.slow
def test_a_users_error_comes_out_once_with_its_node(settings, cluster, nodes, vocab_file):
    def lose_the_vocabulary(progress: Progress) -> None:
        vocab_file.unlink(missing_ok=True)

    with pytest.raises(MissingInputError, match=r"no such vocabulary.*\(on .*all nodes must see the same files"):
        build(replace(settings, ray_address=cluster.address), lose_the_vocabulary)


@pytest.mark.slow
def test_without_an_address_a_cluster_of_this_machine_is_begun_and_ended(settings, tmp_path, monkeypatch):
    import ray

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    build(replace(settings, workers=1))
    assert not ray.is_initialized()
    assert bytes_of(settings.out) == local_bytes(settings, tmp_path / "local")


@pytest.mark.slow
def test_an_address_where_nobody_answers_is_named(settings):
    with pytest.raises(SettingsError, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        build(replace(settings, ray_address="127.0.0.1:1"))


def test_without_the_package_the_extra_is_named(text_file, vocab_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    line = ["build", str(text_file), "--vocab", str(vocab_file), "--out", str(tmp_path / "out"), "--segmenter", "chars"]
    assert main([*line, "--engine", "ray"]) == 64
    assert "pip install 'cn-bert[ray]'" in capsys.readouterr().err
    assert main(line) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [({"engine": "rya"}, "Did you mean 'ray'"), ({"engine": "local", "ray_address": "auto"}, "Add --engine ray")],
)
def test_settings_of_the_engine_that_make_no_sense_are_refused(settings, change, said):
    with pytest.raises(SettingsError, match=said):
        replace(settings, **change)
