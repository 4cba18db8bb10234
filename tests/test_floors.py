"""Imports go down: a module may import its own folder and lower floors, never a higher one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FLOORS = {
    "corpus_tools": 0,
    "corpus_tools.errors": 0,
    "corpus_tools.schema": 0,
    "corpus_tools.choose": 0,
    "corpus_tools.draw": 0,
    "corpus_tools.configs": 0,
    "corpus_tools.storage": 0,
    "corpus_tools.files": 0,
    "corpus_tools.unpack": 0,
    "corpus_tools.compiled": 0,
    "corpus_tools.double_array": 1,
    "corpus_tools.table_cache": 1,
    "corpus_tools.jieba_dictionary": 1,
    "corpus_tools.text": 2,
    "corpus_tools.segment": 2,
    "corpus_tools.spans": 2,
    "corpus_tools.masking": 3,
    "corpus_tools.encode": 4,
    "corpus_tools.shards": 4,
    "corpus_tools.cli": 6,
    "corpus_tools.__main__": 6,
    "cn_bert": 7,
    "cn_bert.accelerator": 7,
    "cn_bert.config": 7,
    "cn_bert.settings": 7,
    "cn_bert.stage_settings": 7,
    "cn_bert.launch": 7,
    "cn_bert.layout": 7,
    "cn_bert.micro_batch": 7,
    "cn_bert.models": 7,
    "cn_bert.objectives": 7,
    "cn_bert.data": 8,
    "cn_bert.training": 9,
    "cn_bert.finetune": 10,
    "cn_bert.evaluate": 10,
    "cn_bert.report": 10,
    "cn_bert.collator": 10,
    "cn_bert.doctor": 11,
    "cn_bert.demo": 11,
    "cn_bert.cli": 12,
    "cn_bert.__main__": 12,
}
TOP_OF_CORPUS_TOOLS = 5
"""What stands beside the folders of corpus_tools and has no floor above: build, reports, audits."""


def floor_of(module: str) -> int:
    parts = module.split(".")
    for end in range(len(parts), 1, -1):
        if ".".join(parts[:end]) in FLOORS:
            return FLOORS[".".join(parts[:end])]
    if len(parts) == 1:
        return FLOORS[module]
    assert parts[0] == "corpus_tools", f"{module} has no floor; add it to FLOORS"
    return TOP_OF_CORPUS_TOOLS


def modules() -> list[tuple[str, Path]]:
    found = [path for package in ("corpus_tools", "cn_bert") for path in (ROOT / package).rglob("*.py")]
    return [(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path) for path in found]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides its floor"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_module_imports_lower_floors_only(name: str, path: Path) -> None:
    known = {module for module, _ in modules()}
    for other in imported(path) & known - {"corpus_tools", "cn_bert"}:
        folder = ".".join(other.split(".")[:2])
        if folder != ".".join(name.split(".")[:2]):
            assert floor_of(other) <= floor_of(name), f"{name} (floor {floor_of(name)}) imports {other}"


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_corpus_tools_knows_nothing_of_torch(name: str, path: Path) -> None:
    if name.startswith("corpus_tools"):
        tops = {module.split(".")[0] for module in imported(path)}
        assert not tops & {"torch", "transformers", "deepspeed", "cn_bert"}


@pytest.mark.parametrize(("name", "path"), modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_module_says_what_it_is_for(name: str, path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not tree.body or ast.get_docstring(tree), f"{path} opens without a sentence"
