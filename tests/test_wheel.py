"""A wheel, installed where there is no source tree and no network, finds its configs, its sample and its commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel, outside the source tree."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--target", str(folder / "site")]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return folder / "site"


def run(installed: Path, code: str) -> str:
    """Run code that can import the wheel and what it depends on, and not the source tree."""
    start = (
        "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()];"
        f"sys.path = [{str(installed)!r}] + [p for p in sys.path if p and p != {str(ROOT)!r}];"
    )
    done = subprocess.run(
        [sys.executable, "-c", start + code], cwd=installed.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_is_what_is_imported(installed: Path) -> None:
    found = run(installed, "import cn_bert, corpus_tools; print(cn_bert.__file__, corpus_tools.__file__)")
    assert all(path.startswith(str(installed)) for path in found.split())


def test_recipes_are_found_and_filled_in(installed: Path) -> None:
    shown = run(installed, "from cn_bert.cli import main; main(['show', 'bert_wwm', '--set', 'model=tiny'])")
    assert "model.hidden_size: 256" in shown
    assert "configs/model/tiny.yaml" in shown
    listed = run(installed, "from cn_bert.cli import main; main(['recipes'])")
    assert "chnsenticorp" in listed


def test_the_deepspeed_file_and_the_sample_are_found(installed: Path) -> None:
    stage = run(
        installed,
        "from cn_bert.training.engine import read_ds_config; print(read_ds_config(None)['zero_optimization']['stage'])",
    )
    assert stage.split()[-1] == "0"
    code = "from importlib.resources import files; print((files('cn_bert') / 'demo/sample/documents.jsonl').is_file())"
    assert run(installed, code).strip() == "True"
