"""What doctor says of machines we do not have."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cn_bert import doctor
from cn_bert.doctor import GIB, Finding, examine, screen


def found(findings: list[Finding], what: str) -> Finding:
    (one,) = [finding for finding in findings if finding.what == what]
    return one


def test_this_machine_is_described_and_nothing_written(tmp_path: Path) -> None:
    findings = examine(tmp_path)
    assert [one.what for one in findings][:2] == ["python", "torch"]
    assert found(findings, "torch").found == torch.__version__
    assert all(one.good for one in findings if one.what in ("python", *doctor.PACKAGES))
    assert not list(tmp_path.iterdir())


def test_the_screen_is_a_line_each_and_a_verdict() -> None:
    text = screen([Finding("python", "3.11", True), Finding("memory", "2 GiB", False, "use model tiny")])
    assert text.splitlines() == [
        "ok  python  3.11",
        "!!  memory  2 GiB  (use model tiny)",
        "",
        "1 to mend, see !! above",
    ]
    assert screen([Finding("python", "3.11", True)]).endswith("Everything needed is here. Next: cn-bert demo")


def test_it_fits_one_screen(tmp_path: Path) -> None:
    assert len(screen(examine(tmp_path)).splitlines()) <= 24


def test_an_old_python_is_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 1))
    assert not doctor._python().good


def test_a_missing_package_names_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "deepspeed":
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(doctor, "version", version)
    one = found(examine(tmp_path), "deepspeed")
    assert (one.good, one.found, one.remedy) == (False, "missing", "pip install 'cn-bert[train]'")


def test_without_torch_it_still_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "cores" in found(examine(tmp_path), "processor").found


@pytest.mark.parametrize(("fast", "words"), [(True, "bf16 instructions"), (False, "no bf16 instructions")])
def test_bf16_of_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fast: bool, words: str) -> None:
    monkeypatch.setattr("cn_bert.training.precision.has_bf16", lambda device: fast)
    assert found(examine(tmp_path), "processor").found == f"{len(os.sched_getaffinity(0))} cores, {words}"


def test_each_gpu_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = SimpleNamespace(name="NVIDIA H100", total_memory=80 * GIB)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: card)
    monkeypatch.setattr("cn_bert.training.precision.has_bf16", lambda device: True)
    assert found(examine(tmp_path), "GPU 1").found == "NVIDIA H100, 80 GiB, bf16"


def test_without_gpu_it_says_what_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    one = found(examine(tmp_path), "GPU")
    assert one.good
    assert "processor" in one.remedy


def test_little_memory_and_a_full_disk_are_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", lambda name: GIB if name == "SC_PAGE_SIZE" else 2)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=GIB))
    assert not found(examine(tmp_path), "memory").good
    assert not found(examine(tmp_path), "disk").good


@pytest.mark.parametrize("there", [True, False])
def test_a_compiler_is_never_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/it" if there else None)
    one = found(examine(tmp_path), "C++ compiler")
    assert one.good
    assert "not needed" in one.remedy or "not needed" in one.found
