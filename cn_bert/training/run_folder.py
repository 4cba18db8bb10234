"""The folder of a run: the filled-in recipe it belongs to, and what may differ when it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import yaml

from cn_bert.config import Recipe, flatten, recipe_from_dict
from cn_bert.data.sequences import build_sequences
from cn_bert.stage_settings import StageSettings
from corpus_tools import configs
from corpus_tools.errors import MissingInputError, OutputError, SettingsError
from corpus_tools.masking import filled_settings
from corpus_tools.storage import write_text

RECIPE: Final = "recipe.yaml"
MAY_CHANGE: Final = (
    "micro_rows",
    "activation_checkpointing",
    "compile",
    "checkpoint.",
    "log.",
    "evaluate.",
    "guard.",
    "data.",
    "start_from",
)
"""Settings a resumed run may change: none of them enters the numbers, but that dropout draws anew for other
`micro_rows`, ranks or `compile`. The data's bytes are compared by fingerprint, so a folder may move; weights are read
from a checkpoint, so `start_from` is past."""


def fill_recipe(recipe: Recipe) -> Recipe:
    """Write every default of a recipe's masking and sequences out, for all stages.

    Raises:
        SettingsError: a masking or sequence setting is unknown or out of range.
    """
    kind = build_sequences(recipe.sequences)
    return recipe.model_copy(
        update={
            "sequences": {"name": recipe.sequences["name"], **asdict(kind)},  # type: ignore[call-overload]
            "masking": filled_settings(recipe.masking),
            "stages": [_fill_stage(recipe, number) for number in range(len(recipe.stages))],
        }
    )


def _fill_stage(recipe: Recipe, number: int) -> StageSettings:
    """Fill a stage's masking in. A rate that moves is tried at both ends: what is taken there is taken between them."""
    stage = recipe.stages[number]
    masking = filled_settings(recipe.stage_masking(stage))
    for rate in () if stage.mask_rate is None else (stage.rate_at(0), stage.rate_at(stage.steps - 1)):
        if "rate" not in masking:
            raise SettingsError(f"stages.{number}.mask_rate: masking '{masking['name']}' has no rate; leave it out")
        try:
            filled_settings({**masking, "rate": rate})
        except SettingsError as error:
            raise SettingsError(f"stages.{number}.mask_rate: {error}") from error
    return stage.model_copy(update={"masking": masking})


def save_recipe(run: Path, name: str, recipe: Recipe) -> None:
    """Write RUN/recipe.yaml."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), allow_unicode=True, sort_keys=False)
    write_text(run / RECIPE, f"# {name}, every setting filled in\n{text}")


def read_recipe(run: Path) -> Recipe:
    """Read RUN/recipe.yaml.

    Raises:
        MissingInputError: the folder is no run.
        SettingsError: the file was changed into something that is no recipe.
    """
    path = run / RECIPE
    if not path.is_file():
        raise MissingInputError(f"{path}: no such file; {run} is not the folder of a run")
    return recipe_from_dict(configs.parse(path.read_text(encoding="utf-8"), str(path)), str(path))


def check_folder(run: Path, recipe: Recipe) -> bool:
    """Say whether a folder holds this run already; refuse one that is another run's or something else's.

    Raises:
        OutputError: see `check_same` and `check_free`.
    """
    begun = (run / RECIPE).is_file()
    if begun:
        check_same(run, read_recipe(run), recipe)
    else:
        check_free(run)
    return begun


def check_same(run: Path, saved: Recipe, wanted: Recipe) -> None:
    """Refuse to go on with settings other than the run's own.

    Raises:
        OutputError: a setting that enters the numbers differs; the message names key, old and new value.
    """
    old, new = flatten(saved.model_dump(mode="json")), flatten(wanted.model_dump(mode="json"))
    for key in {**old, **new}:
        if not key.startswith(MAY_CHANGE) and old.get(key) != new.get(key):
            raise OutputError(
                f"{run}: this run was begun with {key} = {_show(old, key)}, now it is {_show(new, key)}. "
                "Give the old value to go on, or another --out to begin anew"
            )


def check_free(run: Path) -> None:
    """Refuse to begin a run in a folder of something else: its tokenizer would be overwritten by the run's.

    Raises:
        OutputError: shards, a model, or checkpoints whose recipe is gone lie there.
    """
    for name, what in (("manifest.json", "shards"), ("config.json", "a model"), ("checkpoints", "a run's checkpoints")):
        if (run / name).exists():
            raise OutputError(f"{run}: holds {what} and no {RECIPE}. Choose another --out")


def _show(leaves: Mapping[str, Any], key: str) -> str:
    return repr(leaves[key]) if key in leaves else "not set"
