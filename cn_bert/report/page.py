"""The page about a run: what it is, its curves, and its model on held-out text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cn_bert.config import Recipe
from cn_bert.report.curves import curves
from cn_bert.report.guesses import Guesses
from cn_bert.report.preview import STYLE, preview
from cn_bert.report.tally import Tally
from cn_bert.training.peak import Peak
from corpus_tools.encode.vocabulary import Vocabulary
from corpus_tools.markup import Html, tag
from corpus_tools.report import Section, bar, page, table

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Held:
    """What the model does on held-out text."""

    guesses: Guesses
    vocabulary: Vocabulary
    by_word_length: list[Tally]
    by_kind: list[Tally]


def run_page(name: str, recipe: Recipe, recipe_text: str, log: Sequence[Line], held: Held | str) -> str:
    """Write the page.

    Args:
        name: of the run.
        recipe: the run's own.
        recipe_text: the file it stands in.
        log: as `read_log` returns it.
        held: the model on held-out text, or why there is nothing to say of it.
    """
    sections = [_summary(recipe, log), *curves(log), *_held_out(held), _recipe(recipe_text)]
    return page(f"Pre-training run: {name}", sections, lead=_lead(recipe, log), style=STYLE)


def _lead(recipe: Recipe, log: Sequence[Line]) -> str:
    last = _last(log, "loss")
    if last is None:
        return f"No step of {recipe.total_steps:,} has been reported yet."
    return f"Step {last['step']:,} of {recipe.total_steps:,}, {last['tokens']:,} tokens."


def _summary(recipe: Recipe, log: Sequence[Line]) -> Section:
    model = recipe.model
    rows: list[tuple[object, object]] = [
        ("model", f"{model.family}, {model.num_hidden_layers} layers of {model.hidden_size}"),
        ("started from", recipe.start_from or "random weights"),
        ("data", ", ".join(f"{source.path} × {source.weight:g}" for source in recipe.data)),
        ("sequences", recipe.sequences["name"]),
        *((f"stage {number}", _stage(recipe, number)) for number in range(len(recipe.stages))),
        ("optimizer", f"{recipe.optimizer.name}, {recipe.schedule.decay}"),
        ("dropout, seed", f"{recipe.dropout:g}, {recipe.seed}"),
    ]
    if last := _last(log, "held_out_loss"):
        common = f", always the commonest token {last['unigram_accuracy']:.1%}"
        rows += [
            ("held-out loss", f"{last['held_out_loss']:.4f} nats at step {last['step']:,}"),
            ("held-out tokens right", f"{last['held_out_accuracy']:.1%}{common}"),
        ]
    return Section("The run", [table(rows), *_starts(log)])


def _stage(recipe: Recipe, number: int) -> str:
    stage = recipe.stages[number]
    objectives = " + ".join(one.name for one in recipe.stage_objectives(stage))
    masking = recipe.stage_masking(stage)["name"]
    return f"{stage.steps:,} steps of {stage.batch_rows:,} × {stage.row_tokens} tokens, {masking}, {objectives}"


def _starts(log: Sequence[Line]) -> list[Html]:
    """Tell where each start of the run computed."""
    rows, step = [], 0
    for line in log:
        step = line.get("resumed_from", step)
        if "machine" in line:
            peak = Peak(line["peak_flops"], line["peak_measured"])
            versions = ", ".join(f"{name} {version}" for name, version in line["versions"].items())
            rows.append((f"{step:,}", f"{line['ranks']} × {line['machine']}", line["precision"], str(peak), versions))
    return [table(rows, ("from step", "ranks", "precision", "peak of all", "versions"))] if rows else []


def _held_out(held: Held | str) -> list[Section]:
    if isinstance(held, str):
        return [Section("Held-out text", [f"Nothing here: {held}."])]
    guesses = held.guesses
    share = f"{guesses.right.mean():.1%}" if guesses.right.size else "none"
    looked_at = (
        f"The model of step {guesses.step:,} on {len(guesses.bounds) - 1:,} held-out sequences of "
        f"{len(guesses.text.ids):,} tokens: {len(guesses.positions):,} masked tokens, {share} right, "
        f"loss {guesses.loss:.4f} nats."
    )
    return [
        Section("Held-out text by word length", [looked_at, _tallies(held.by_word_length, "words")]),
        Section("Held-out text by entity and phrase", [_tallies(held.by_kind, "units")]),
        preview(guesses, held.vocabulary),
    ]


def _tallies(tallies: Sequence[Tally], units: str) -> Html:
    head = ("", "masked tokens", "right", "", f"{units} masked whole", "right in every token")
    rows = [
        (
            one.name,
            one.tokens,
            _share(one.right, one.tokens),
            bar(one.right, one.tokens),
            one.units,
            _share(one.units_right, one.units),
        )
        for one in tallies
    ]
    return table(rows, head)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _recipe(text: str) -> Section:
    return Section("Recipe", [tag("details", tag("summary", "every setting"), tag("pre", text))])


def _last(log: Sequence[Line], key: str) -> Line | None:
    return next((line for line in reversed(log) if key in line), None)
