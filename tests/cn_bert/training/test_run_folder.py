"""What may differ when a run goes on, setting by setting: whatever enters the numbers is refused by its name."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from injections import INJECTED

from cn_bert.config import flatten, load_recipe
from cn_bert.training.run_folder import check_same, fill_recipe
from corpus_tools.errors import OutputError

FREE = {
    "checkpoint.every_steps",
    "checkpoint.every_minutes",
    "checkpoint.keep",
    "checkpoint.keep_every_steps",
    "log.every_steps",
    "log.tensorboard",
    "evaluate.every_steps",
    "evaluate.max_rows",
    "guard.max_skips",
    "guard.keep_spikes",
    "guard.still_every",
    "guard.timeout_minutes",
    "data.0.path",
    "data.0.weight",
    "micro_rows",
    "activation_checkpointing",
    "compile",
    "start_from",
}
"""All that may change. The data's bytes and weights are compared by their fingerprint instead."""


@pytest.mark.parametrize("name", ["bert_wwm", "ernie"])
def test_every_setting_is_free_or_refused_by_name(tmp_path: Path, name: str) -> None:
    recipe = fill_recipe(load_recipe(name, ["data=[{path: shards}]"]).recipe)
    saved = recipe.model_dump(mode="json")
    keys = list(flatten(saved))
    assert len(keys) >= 40
    for key in keys:
        wanted = changed(saved, key)
        INJECTED["setting changed"] += 1
        if key in FREE:
            check_same(tmp_path, as_recipe(saved), as_recipe(wanted))
            continue
        with pytest.raises(OutputError, match=re.escape(f"begun with {key} = ")) as caught:
            check_same(tmp_path, as_recipe(saved), as_recipe(wanted))
        assert caught.value.exit_code == 73


def changed(tree: dict[str, Any], key: str) -> dict[str, Any]:
    """Give one leaf another value."""
    tree = copy.deepcopy(tree)
    *path, last = (int(part) if part.isdecimal() else part for part in key.split("."))
    place: Any = tree
    for part in path:
        place = place[part]
    place[last] = f"not {place[last]}"
    return tree


def as_recipe(tree: dict[str, Any]) -> Any:
    return SimpleNamespace(model_dump=lambda mode: tree)
