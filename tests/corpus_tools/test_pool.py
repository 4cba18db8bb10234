"""Worker processes: what a death, an error and a stop leave behind."""

from __future__ import annotations

import os
import signal

import pytest
import worker_jobs

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


def test_every_job_is_done_once(tmp_path):
    jobs = [f"ok {n}" for n in range(7)]
    assert sorted(workers(tmp_path).run(jobs)) == [(job, (job, 1)) for job in jobs]


def test_a_job_whose_worker_died_is_done_again_and_none_is_lost(tmp_path):
    jobs = ["dies once", *(f"ok {n}" for n in range(5))]
    done = dict(workers(tmp_path).run(jobs))
    assert sorted(done) == sorted(jobs)
    assert done["dies once"] == ("dies once", 2)
    assert not (tmp_path / "halted").exists()


def test_a_job_that_kills_its_worker_twice_is_named(tmp_path):
    with pytest.raises(OutOfMemoryError, match="job dies: the worker process died twice"):
        list(workers(tmp_path).run(["ok 1", "dies", "ok 2"]))


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
