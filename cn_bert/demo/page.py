"""The page about a demo: what was run, what was learned, and how little such a sample can teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from corpus_tools.masking import build_masker, masking_settings
from corpus_tools.preview_page import STYLE, preview_sections
from corpus_tools.report import Section, line_chart, page, save_page, table, tag
from corpus_tools.shards.read import open_shards

N_SHOWN = 4


def write_page(out: Path, facts: Mapping[str, Any]) -> Path:
    """Write OUT/report.html.

    Args:
        out: the demo's folder.
        facts: what the demo found, all of it read from files and outputs of the commands that ran.
    """
    sections = [
        _summary(facts),
        _loss(facts),
        _masks(facts),
        *_shown(out),
        _tasks(facts),
        _filled(facts["fill_mask"]),
        _commands(facts),
    ]
    title = "From Chinese text to a model that answers: the demo of cn-bert"
    path = out / "report.html"
    save_page(path, page(title, sections, lead=f"All of it ran here in {facts['seconds']:.0f} seconds.", style=STYLE))
    return path


def _summary(facts: Mapping[str, Any]) -> Section:
    stats = facts["stats"]
    return Section(
        "How to read this",
        [
            f"The sample has {stats['documents']:,} short documents, {stats['tokens']:,} tokens. A Chinese BERT is "
            "trained on some hundred million to several thousand million. So the model here has learned which "
            "characters are common and a few that go together, and little else: what this page shows is that every "
            "part works, not what a model can do.",
        ],
    )


def _loss(facts: Mapping[str, Any]) -> Section:
    log: Sequence[Mapping[str, Any]] = facts["log"]
    trained = [(line["step"], line["mlm_loss"]) for line in log if "mlm_loss" in line]
    held_out = [line for line in log if "held_out_loss" in line]
    resumed = next(line["resumed_from"] for line in log if "resumed_from" in line)
    chart = line_chart(
        {"a step's masked tokens": trained, "held-out documents": [(x["step"], x["held_out_loss"]) for x in held_out]},
        x_label="optimizer step",
        y_label="loss, nats a masked token",
        marks={"resumed": resumed},
    )
    rows = [
        (line["step"], line["held_out_loss"], f"{line['held_out_accuracy']:.1%}", f"{line['unigram_accuracy']:.1%}")
        for line in held_out
    ]
    return Section(
        "Pre-training",
        [
            f"Two ranks. The run was killed without warning after step {facts['killed_at']} and went on from the "
            f"checkpoint of step {resumed}, with the data, the masks and the losses it would have had.",
            chart,
            table(rows, ("step", "held-out loss", "masked tokens right", "always the commonest token")),
        ],
    )


def _masks(facts: Mapping[str, Any]) -> Section:
    rows = [
        (
            name,
            f"{audit['mask_rate']:.2%}",
            f"{audit['expected_rate']:.2%}",
            audit["partly_masked_units"],
            audit["specials_masked"],
            " / ".join(f"{audit['corrupted'][key]:.1%}" for key in ("mask", "random", "keep")),
        )
        for name, audit in facts["audits"].items()
    ]
    head = ("masking", "masked", "by the rule", "units partly masked", "specials masked", "[MASK] / random / kept")
    return Section("Do the masks keep their promises?", [table(rows, head)])


def _shown(out: Path) -> list[Section]:
    reader = open_shards(out / "shards")
    maskers = {name: build_masker(masking_settings(name), reader.vocabulary) for name in ("wwm", "entity")}
    return preview_sections(reader, maskers, N_SHOWN, row_tokens=128)


def _tasks(facts: Mapping[str, Any]) -> Section:
    rows = [
        ("reviews, accuracy, from this model", *_spread(facts["reviews"]["accuracy"], 100)),
        ("reviews, accuracy, from random weights", *_spread(facts["reviews_scratch"]["accuracy"], 100)),
        ("questions, exact match, from this model", *_spread(facts["questions"]["exact_match"])),
        ("questions, F1, from this model", *_spread(facts["questions"]["f1"])),
    ]
    return Section(
        "Fine-tuning",
        [
            table(rows, ("task", "mean", "spread", "each seed")),
            "70 test reviews, half of them positive: one review is 1.4 points, so differences of a few points mean "
            "nothing, and pre-training on so little text need not help at all. The reader has seen 224 questions; "
            "CMRC 2018 has 10,142, and even they need a model trained on real amounts of text.",
        ],
    )


def _spread(score: Mapping[str, Any], scale: int = 1) -> tuple[str, str, str]:
    """Write a score in percent: its mean, its spread where there is more than one seed, and each seed's."""
    each = ", ".join(f"{scale * value:.1f}" for value in score["each"])
    spread = "" if score["spread"] is None else f"{scale * score['spread']:.1f}"
    return f"{scale * score['mean']:.1f}", spread, each


def _filled(answers: Sequence[Any]) -> Section:
    rows = [
        (text, "  ".join(f"{guess['token']} {guess['probability']:.0%}" for guess in mask))
        for text, found in answers
        for mask in found["masks"]
    ]
    return Section("Filling a mask", [table(rows, ("text", "its guesses"))])


def _commands(facts: Mapping[str, Any]) -> Section:
    rows = [(name, f"{seconds:.1f} s") for name, seconds in facts["timings"]]
    return Section("What was run", [tag("pre", "\n".join(facts["commands"])), table(rows, ("command", "took"))])
