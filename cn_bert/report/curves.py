"""A run's log as line charts, with marks where it was resumed and where a step was skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from corpus_tools.chart import Points
from corpus_tools.markup import Html
from corpus_tools.report import Section, line_chart

Line = Mapping[str, Any]

NAMES: Final = {
    "mlm": "masked tokens",
    "nsp": "next sentence",
    "pair": "sentence pairs",
}
"""Objectives as a reader calls them; another one stands under its own name."""


def curves(log: Sequence[Line]) -> list[Section]:
    """Draw what a log tells of learning and of speed.

    Args:
        log: as `read_log` returns it.
    """
    marks = _marks(log)
    objectives = [key.removesuffix("_loss") for key in _keys(log) if key.endswith("_loss") and "held_out" not in key]
    sections = [_learning(log, objective, marks) for objective in objectives]
    if len(objectives) > 1:
        chart = _chart(log, {"loss": "all objectives, weighted"}, "loss", marks)
        sections.append(Section("Loss of all objectives", [chart]))
    return [
        *sections,
        Section("Learning rate", [_chart(log, {"lr": "learning rate"}, "rate × 1,000", marks, scale=1000)]),
        Section(
            "Speed",
            [
                "Between two reports; evaluations are left out.",
                _chart(log, {"tokens_per_second": "all ranks together"}, "tokens a second", marks),
                "The share of the peak (MFU) counts the products that the model needs, by the true lengths of its "
                "sequences, and no others.",
                _chart(log, {"mfu": "share of the peak"}, "per cent", marks, scale=100),
            ],
        ),
    ]


def _learning(log: Sequence[Line], objective: str, marks: Mapping[str, float]) -> Section:
    prefix = "held_out" if objective == "mlm" else f"held_out_{objective}"
    losses = {f"{objective}_loss": "in training, of single steps", f"{prefix}_loss": "held-out text"}
    shares = {f"{objective}_accuracy": "in training, of single steps", f"{prefix}_accuracy": "held-out text"}
    if objective == "mlm":
        shares["unigram_accuracy"] = "always the commonest token"
    name = NAMES.get(objective, objective)
    return Section(
        f"{name[0].upper()}{name[1:]}",
        [
            _chart(log, losses, "loss, nats", marks),
            _chart(log, shares, "right, per cent", marks, scale=100),
        ],
    )


def _chart(
    log: Sequence[Line], names: Mapping[str, str], y_label: str, marks: Mapping[str, float], scale: float = 1
) -> Html:
    series: dict[str, Points] = {
        name: [(line["step"], scale * line[key]) for line in log if key in line and "step" in line]
        for key, name in names.items()
    }
    drawn = {name: points for name, points in series.items() if points}
    return line_chart(drawn, x_label="optimizer step", y_label=y_label, marks=marks)


def _marks(log: Sequence[Line]) -> dict[str, float]:
    """Name the steps after which the run was resumed, and those whose update was skipped."""
    found: dict[str, float] = {}
    for line in log:
        if line.get("resumed_from"):
            found[f"resumed after {line['resumed_from']:,}"] = line["resumed_from"]
        if "skipped" in line and "step" in line:
            found[f"skipped {line['step']:,}"] = line["step"]
    return found


def _keys(log: Sequence[Line]) -> list[str]:
    """List every key of the log once, as they first come."""
    return list(dict.fromkeys(key for line in log for key in line))
