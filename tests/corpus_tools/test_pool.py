"""Worker processes: what a death, an error and a stop leave behind."""

from __future__ import annotations

import errno
import os
import signal
import time
from dataclasses import replace
from multiprocessing import forkserver
from threading import Thread

import pytest
import worker_jobs

from corpus_tools import pool
from corpus_tools.errors import DataError, OutOfMemoryError, StoppedError
from corpus_tools.pool import Workers, stop_on_signals


def workers(folder, count=2, tick=lambda: None):
    return Workers(
        work=worker_jobs.work,
        count=count,
        start=worker_jobs.start,
        start_args=(folder,),
        tick=tick,
        halt=(folder / "halted").touch,
        name=lambda job: f"job {job}",
    )


def tries(folder, job):
    return (folder / job.replace(" ", "_")).stat().st_size


def test_every_job_is_done_once(tmp_path):
    jobs = [f"ok {n}" for n in range(7)]
    assert sorted(workers(tmp_path).run(jobs)) == [(job, (job, 1)) for job in jobs]


def test_a_job_whose_worker_died_is_done_again_and_none_is_lost(tmp_path):
    jobs = ["dies once", *(f"ok {n}" for n in range(5))]
    done = dict(workers(tmp_path).run(jobs))
    assert sorted(done) == sorted(jobs)
    assert done["dies once"] == ("dies once", 2)
    assert not (tmp_path / "halted").exists()


def test_a_worker_that_dies_takes_no_other_job_with_it(tmp_path):
    jobs = ["waits for dies once", "dies once", "ok 1", "ok 2"]
    done = [job for job, _ in workers(tmp_path).run(jobs)]
    assert sorted(done) == sorted(jobs)
    assert done[-1] == "dies once"  # its second try comes last
    assert tries(tmp_path, "waits for dies once") == 1


def test_jobs_that_kill_their_workers_twice_are_named_when_all_others_are_done(tmp_path):
    done = []
    with pytest.raises(OutOfMemoryError, match="job dies 1; job dies 2: the worker process died at every try"):
        done += workers(tmp_path).run(["dies 1", "ok 1", "dies 2", "ok 2", "ok 3"])
    for job in ("dies 1", "dies 2"):
        assert tries(tmp_path, job) == 2
    assert [tries(tmp_path, f"ok {n}") for n in (1, 2, 3)] == [1, 1, 1]


def test_a_run_whose_workers_die_at_everything_gives_up(tmp_path):
    jobs = [f"dies {n}" for n in range(20)]
    with pytest.raises(OutOfMemoryError, match="the worker process died"):
        list(workers(tmp_path).run(jobs))
    assert len(list(tmp_path.glob("dies_*"))) < 6


def test_a_job_without_memory_gets_its_second_try_too(tmp_path):
    assert dict(workers(tmp_path).run(["needs memory once", "ok"]))["needs memory once"][1] == 2


def test_an_idle_worker_that_dies_costs_nothing(tmp_path):
    run = workers(tmp_path, count=1).run(["names its process", "ok"])
    _, (process, _) = next(run)
    os.kill(int(process), signal.SIGKILL)
    assert [job for job, _ in run] == ["ok"]


def test_an_error_that_cannot_be_sent_is_told_with_its_traceback(tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)worker_jobs.py.*Unsendable: no pickle"):
        list(workers(tmp_path).run(["raises what cannot be sent"]))


def test_a_bug_in_a_worker_shows_the_workers_own_traceback(tmp_path):
    with pytest.raises(KeyError) as caught:
        list(workers(tmp_path).run(["has a bug"]))
    assert "worker_jobs.py" in caught.value.__notes__[0]


def test_an_error_while_a_worker_starts_is_told_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(replace(workers(tmp_path), start_args=(tmp_path / "nowhere",)).run(["ok"]))


def test_an_error_of_a_job_halts_the_others_and_comes_out_as_it_is(tmp_path):
    with pytest.raises(DataError, match="fails: as asked"):
        list(workers(tmp_path).run(["waits", "fails", "ok"]))
    assert (tmp_path / "halted").exists()
    assert not (tmp_path / "ok").exists()


def test_what_tick_raises_ends_the_run(tmp_path):
    def tick():
        raise StoppedError("enough")

    with pytest.raises(StoppedError, match="enough"):
        list(workers(tmp_path, tick=tick).run(["waits 1", "waits 2", "waits 3"]))
    assert (tmp_path / "halted").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request_and_the_second_acts(number):
    before = signal.getsignal(number)
    seen = []
    signal.signal(number, lambda *_: seen.append("acted"))
    try:
        with stop_on_signals() as stop:
            assert not stop.asked
            os.kill(os.getpid(), number)
            assert stop.asked
            assert seen == []
            os.kill(os.getpid(), number)
            assert seen == ["acted"]
    finally:
        signal.signal(number, before)


def fork_server():
    """Return the process number of the fork server, None where there is none."""
    return forkserver._forkserver._forkserver_pid


def test_another_fork_server_is_started_where_the_first_was_killed(tmp_path):
    killed = []

    def kill_server():
        if fork_server() and not killed:
            killed.append(fork_server())
            os.kill(killed[0], signal.SIGKILL)

    jobs = [*(f"dies once {n}" for n in range(2)), *(f"ok {n}" for n in range(4))]
    done = [job for job, _ in workers(tmp_path, tick=kill_server).run(jobs)]
    assert sorted(done) == sorted(jobs)
    assert fork_server() not in (None, *killed)


def test_a_fork_server_that_dies_while_a_worker_starts_costs_nothing(tmp_path, monkeypatch):
    connect, killed = forkserver.connect_to_new_process, []

    def kill_and_connect(handles):
        if not killed:
            forkserver.ensure_running()
            killed.append(fork_server())
            os.kill(killed[0], signal.SIGSTOP)  # so that it takes the request and never answers
            Thread(target=lambda: (time.sleep(0.2), os.kill(killed[0], signal.SIGKILL))).start()
        return connect(handles)

    monkeypatch.setattr(forkserver, "connect_to_new_process", kill_and_connect)
    assert sorted(workers(tmp_path).run(["ok 1", "ok 2"])) == [("ok 1", ("ok 1", 1)), ("ok 2", ("ok 2", 1))]


def test_workers_that_cannot_be_started_end_the_run_with_a_users_error(tmp_path, monkeypatch):
    def refuse(handles):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(forkserver, "connect_to_new_process", refuse)
    monkeypatch.setattr(pool, "TICK_SECONDS", 0.01)
    with pytest.raises(OutOfMemoryError, match=r"no worker process can be started \(.*memory.*run the same command"):
        list(workers(tmp_path).run(["ok 1", "ok 2"]))
    assert (tmp_path / "halted").exists()
