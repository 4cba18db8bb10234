"""Read a run's folder, let its model guess, and write the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from cn_bert.config import Recipe
from cn_bert.data.mixture import open_mixture
from cn_bert.report.guesses import guess
from cn_bert.report.page import Held, run_page
from cn_bert.report.tally import by_kind, by_word_length
from cn_bert.training import checkpoint
from cn_bert.training.log import LOG, read_log
from cn_bert.training.run_folder import RECIPE, read_recipe
from corpus_tools.errors import UsageError, UserError
from corpus_tools.report import save_page

PAGE: Final = "report.html"
QUICK_TOKENS: Final = 4096
"""Held-out tokens that are looked at when a run ends: a few seconds even for a large model on a processor."""


def write_report(run: Path, out: Path, *, max_rows: int | None = None, data: Sequence[str] = ()) -> dict[str, Any]:
    """Write the page about a run.

    What cannot be said of held-out text, because its shards or the model are not there, is said on the page.

    Args:
        run: the run's folder.
        out: the page.
        max_rows: held-out rows to look at; None: as many as take a few seconds.
        data: where the run's shards are now; empty: where its recipe says.

    Returns:
        What the page says of the model, for `--json`.

    Raises:
        MissingInputError: the folder is no run.
        UsageError: `data` names more folders than the run has, or fewer.
        DiskError: the page cannot be written.
    """
    recipe = _moved(read_recipe(run), data)
    log = read_log(run / LOG) if (run / LOG).is_file() else []
    held = _held(run, recipe, max_rows or max(1, QUICK_TOKENS // recipe.stages[-1].row_tokens))
    text = (run / RECIPE).read_text(encoding="utf-8")
    save_page(out, run_page(run.resolve().name, recipe, text, log, held))
    return {"page": str(out), **_said(held)}


def look_ahead(run: Path, out: Path) -> str:
    """Say what `write_report` would write.

    Raises:
        MissingInputError: the folder is no run.
        UnverifiedError: no checkpoint is sound.
    """
    read_recipe(run)
    step, _ = checkpoint.newest(run / checkpoint.CHECKPOINTS)
    return f"would write {out}, with {'no model yet' if step is None else f'the model of step {step:,}'}"


def _moved(recipe: Recipe, data: Sequence[str]) -> Recipe:
    """Return the recipe with its shards where they are now; how often each is walked stays."""
    if not data:
        return recipe
    if len(data) != len(recipe.data):
        raise UsageError(f"--data: {len(data)} given, and the run has {len(recipe.data)} shard folders. Name each once")
    moved = [source.model_copy(update={"path": path}) for source, path in zip(recipe.data, data, strict=True)]
    return recipe.model_copy(update={"data": moved})


def _held(run: Path, recipe: Recipe, max_rows: int) -> Held | str:
    try:
        mixture = open_mixture([(source.path, source.weight) for source in recipe.data], recipe.held_out)
        guesses = guess(run, recipe, mixture, max_rows)
    except UserError as error:
        return str(error)
    return Held(guesses, mixture.vocabulary, by_word_length(guesses), by_kind(guesses, mixture.kinds))


def _said(held: Held | str) -> dict[str, Any]:
    if isinstance(held, str):
        return {"missing": held}
    right = held.guesses.right
    return {
        "step": held.guesses.step,
        "masked_tokens": right.size,
        "right": int(right.sum()),
        "loss": held.guesses.loss,
        "by_word_length": [asdict(one) for one in held.by_word_length],
        "by_kind": [asdict(one) for one in held.by_kind],
    }
