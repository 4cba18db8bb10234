"""A command starts fast and small: it imports what it needs and no more."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"datasets", "opencc", "pandas", "pyarrow.compute", "pyarrow.dataset", "pyarrow.parquet", "ray", "torch"}


def heavy_modules_after(code: str) -> str:
    told = f"{code}\nimport sys; print(sorted({HEAVY} & set(sys.modules)), file=sys.stderr)"
    return subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stderr


def test_a_build_of_plain_text_imports_nothing_heavy(text_file, vocab_file, tmp_path):
    line = ["build", str(text_file), "--vocab", str(vocab_file), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert heavy_modules_after(f"from corpus_tools.cli import main; main({line})") == "[]\n"


def test_a_worker_imports_nothing_heavy():
    assert heavy_modules_after("import corpus_tools.build") == "[]\n"
