"""Ended at every step that it takes on disk, a build or a merge goes on to the bytes of an undisturbed one."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from small_builds import bytes_of, small_settings

from corpus_tools.build import build
from corpus_tools.merge import merge, plan_merge
from corpus_tools.shards.manifest import Part

KILLED = 9
CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate"}


@pytest.fixture
def settings(tmp_path, text_file, vocab_file, monkeypatch):
    """Three shards, one of them with a reject."""
    with text_file.open("a", encoding="utf-8") as file:
        file.write("\n\x00\n\n再见。\n")
    monkeypatch.setattr(os, "fsync", lambda _: None)  # no power is cut here, and it takes most of the time
    return replace(small_settings(text_file, vocab_file, tmp_path / "out"), split_bytes=300)


def end_at(step: int, folder: Path) -> None:
    """End this process at the given step on disk below the folder: right after opening to write, before all else."""
    steps = count(1)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event not in CHANGES or not str(arguments[0]).startswith(str(folder)):
            return
        flags = arguments[2] if event == "open" else 0
        assert isinstance(flags, int)
        if event == "open" and not flags & (os.O_WRONLY | os.O_RDWR):
            return
        if next(steps) == step:
            if event == "open" and not flags & os.O_APPEND:
                Path(str(arguments[0])).write_bytes(b"")
            os._exit(KILLED)

    sys.addaudithook(watch)


def dies(step: int, folder: Path, run: Callable[[], object]) -> bool:
    """Run in a process that ends at the given step; False where it comes to its own end before."""
    child = os.fork()
    if not child:
        try:
            end_at(step, folder)
            run()
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED)
    return code == KILLED


def every_end_is_survived(folder: Path, run: Callable[[], object]) -> int:
    """Return at how many steps the run was ended."""
    run()  # also loads what is compiled, which the processes then share
    whole = bytes_of(folder)
    for step in count(1):
        shutil.rmtree(folder)
        if not dies(step, folder, run):
            assert bytes_of(folder) == whole
            return step - 1
        run()
        assert bytes_of(folder) == whole, f"ended at step {step}"
    raise AssertionError


def test_a_build_survives_every_end(settings):
    assert every_end_is_survived(Path(settings.out), lambda: build(settings)) > 40


def test_a_part_survives_every_end(settings):
    asked = replace(settings, part=Part(1, 2))
    assert every_end_is_survived(Path(settings.out), lambda: build(asked)) > 30


def test_a_merge_survives_every_end(settings, tmp_path):
    parts = [tmp_path / "part1", tmp_path / "part2"]
    for n, out in enumerate(parts, start=1):
        build(replace(settings, out=str(out), part=Part(n, 2)))
    plan = plan_merge(parts)
    assert every_end_is_survived(Path(settings.out), lambda: merge(plan, settings.out)) > 30


def test_a_build_that_is_ended_while_it_repairs_a_finished_folder_survives_too(settings):
    out = Path(settings.out)
    build(settings)
    whole = bytes_of(out)
    for step in count(1):
        (out / "shard-00001.arrow").write_bytes(b"cut short")
        if not dies(step, out, lambda: build(settings)):
            break
        build(settings)
        assert bytes_of(out) == whole, f"ended at step {step}"
    assert step > 10
