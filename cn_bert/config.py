"""Recipes: YAML files composed from axes, checked, and filled in until every setting stands.

A recipe is read in this order, later ones win: the axis files it names under `use`, its own keys, `--set` from the
command line. Each leaf remembers the file it came from, so `cn-bert show` and every error message can name it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from cn_bert.settings import Settings, explain, parse_change, put
from cn_bert.stage_settings import ObjectiveSettings, StageSettings, differ
from corpus_tools import configs
from corpus_tools.errors import SettingsError, nearest
from corpus_tools.masking import masking_settings

AXES: Final = ("model", "sequences", "masking", "schedule")
OPTIMIZER_RATES: Final[Mapping[str, Callable[[int], float]]] = {
    "adamw": lambda rows: 1e-4,
    "lamb": lambda rows: 1.25e-3 * (rows / 2048) ** 0.5,
    "muon": lambda rows: 1e-4,
}
"""Peak learning rate an optimizer brings along, by the rows of a step. BERT's for AdamW, and for Muon, whose steps are
scaled to AdamW's size so that they can share a rate; for LAMB the square-root rule of its paper (arXiv:1904.00962:
1.25e-3 at 2,048 rows), so 1.4e-3 at BERT-wwm's 2,560 rows and 5.4e-4 at its 384."""


class ModelSettings(Settings):
    """Shape of the encoder, in transformers' own names."""

    family: Literal["bert", "ernie"] = "bert"
    num_hidden_layers: Annotated[int, Field(ge=1)]
    hidden_size: Annotated[int, Field(ge=1)]
    num_attention_heads: Annotated[int, Field(ge=1)]
    intermediate_size: Annotated[int, Field(ge=1)]
    hidden_act: str = "gelu"
    max_position_embeddings: Annotated[int, Field(ge=8)] = 512
    type_vocab_size: Annotated[int, Field(ge=2)] = 2
    layer_norm_eps: Annotated[float, Field(gt=0)] = 1e-12
    initializer_range: Annotated[float, Field(gt=0)] = 0.02

    @model_validator(mode="after")
    def _heads_divide(self) -> ModelSettings:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(f"hidden_size {self.hidden_size} does not divide into {self.num_attention_heads} heads")
        return self


class OptimizerSettings(Settings):
    """The update rule. Biases and LayerNorm weights are never decayed."""

    name: Literal["adamw", "lamb", "muon"] = "adamw"
    """muon: for the matrices of the encoder's layers; all else is AdamW's, as are betas and eps."""
    peak_lr: Annotated[float | None, Field(gt=0)] = None
    """None: the optimizer's own, OPTIMIZER_RATES."""
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)] = [0.9, 0.999]
    eps: Annotated[float, Field(gt=0)] = 1e-6
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    gradient_clipping: Annotated[float, Field(ge=0)] = 1.0
    """Largest global norm of the gradient; 0 switches clipping off."""


class ScheduleSettings(Settings):
    """The learning rate over the steps of the whole run."""

    warmup_steps: Annotated[int | None, Field(ge=0)] = None
    """None: `warmup_share` of the run."""
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.01
    decay: Literal["linear", "cosine", "wsd", "constant"] = "linear"
    """What follows warm-up. wsd (warm-up, stable, decay) stays at the peak and falls in a straight line at the end. All
    but constant meet 0 one step after the run's last."""
    decay_share: Annotated[float | None, Field(gt=0, le=1)] = None
    """Share of the run that wsd falls over; None: 0.1. Of wsd only."""

    @model_validator(mode="after")
    def _share_of_wsd(self) -> ScheduleSettings:
        if self.decay_share is not None and self.decay != "wsd":
            raise ValueError(f"decay_share is of decay wsd, and decay is {self.decay}; leave it out")
        return self


class CheckpointSettings(Settings):
    every_steps: Annotated[int, Field(ge=1)] = 1000
    keep: Annotated[int, Field(ge=1)] = 2
    """How many of the newest are kept."""
    every_minutes: Annotated[float | None, Field(gt=0)] = None
    """A checkpoint also when the last is so old, as the first rank's clock tells. None: by steps alone."""
    keep_every_steps: Annotated[int | None, Field(ge=1)] = None
    """Checkpoints of its multiples are never removed. None: `keep` alone decides."""


class LogSettings(Settings):
    every_steps: Annotated[int, Field(ge=1)] = 10
    tensorboard: bool = True


class GuardSettings(Settings):
    """What is watched while a run learns. None of it enters the numbers."""

    max_skips: Annotated[int, Field(ge=1)] = 3
    """So many steps in a row whose loss or gradient is no number end the run; one alone is skipped."""
    keep_spikes: bool = False
    """Whether the checkpoint before a step whose loss leaps up is never removed."""
    still_every: Annotated[int, Field(ge=1)] = 50
    """Steps after which the weights have to have moved."""
    timeout_minutes: Annotated[float, Field(gt=0)] = 30
    """How long a rank waits for another before it gives up."""


class EvaluateSettings(Settings):
    every_steps: Annotated[int, Field(ge=1)] = 1000
    max_rows: Annotated[int, Field(ge=1)] = 256
    """At most so many rows of held-out text are scored, always the same ones."""


class DataSource(Settings):
    path: str
    weight: Annotated[float, Field(gt=0)] = 1.0
    """How often an epoch walks its documents; 0.5 takes each second one, drawn anew every epoch."""


class Recipe(Settings):
    """Everything a pre-training run depends on, but for the data's bytes and the machine."""

    model: ModelSettings
    sequences: dict[str, Any]
    masking: dict[str, Any]
    objectives: Annotated[list[ObjectiveSettings], Field(min_length=1)]
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    stages: Annotated[list[StageSettings], Field(min_length=1)]
    data: list[DataSource] = []
    held_out: Annotated[float, Field(ge=0, lt=0.5)] = 0.005
    """Share of the documents that are only evaluated, never trained on; at least one document."""
    start_from: str | None = None
    """A transformers folder or hub name whose weights are the start; None: random weights."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Hidden dropout. Attention dropout is 0: packed attention has none."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    micro_rows: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Rows a rank computes at once. Changes memory, and which units dropout hits; nothing else."""
    activation_checkpointing: bool = False
    """Keep the input of each encoder layer alone and compute the layer again in the backward pass. Changes memory and
    time, nothing else."""
    compile: bool = False
    """Have `torch.compile` make one program of each encoder layer, for micro-batches that are filled up to one shape.
    Changes time and memory, how results are rounded, and which units dropout hits; nothing else."""
    seed: Annotated[int, Field(ge=0)] = 0
    checkpoint: CheckpointSettings = CheckpointSettings()
    log: LogSettings = LogSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    guard: GuardSettings = GuardSettings()

    _objectives_differ = field_validator("objectives")(differ)

    @model_validator(mode="after")
    def _rows_fit_positions(self) -> Recipe:
        for number, stage in enumerate(self.stages):
            if stage.row_tokens > self.model.max_position_embeddings:
                raise ValueError(
                    f"stages.{number}.row_tokens {stage.row_tokens} is more than the model's "
                    f"{self.model.max_position_embeddings} positions"
                )
        return self

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def peak_lr(self, stage: StageSettings) -> float:
        """Return the highest learning rate of a stage."""
        return self.optimizer.peak_lr or OPTIMIZER_RATES[self.optimizer.name](stage.batch_rows)

    def stage_masking(self, stage: StageSettings) -> dict[str, Any]:
        return stage.masking if stage.masking is not None else self.masking

    def stage_objectives(self, stage: StageSettings) -> list[ObjectiveSettings]:
        return stage.objectives or self.objectives


@dataclass(frozen=True)
class Loaded:
    """A checked recipe, its name, and the place each leaf of it came from (`stages.0.steps` -> file)."""

    name: str
    recipe: Recipe
    origin: Mapping[str, str]


def load_recipe(name: str, changes: Sequence[str] = ()) -> Loaded:
    """Read, compose and check a recipe.

    Args:
        name: a name under configs/recipes, or a path to a YAML file.
        changes: `KEY=VALUE` texts of `--set`, VALUE read as YAML.

    Raises:
        SettingsError: a file, key, type or value is wrong; the message names the place and the remedy.
        MissingInputError: the recipe is a path and no file is there.
    """
    own = configs.load("recipes", name)
    sets = [_parse(change) for change in changes]
    use = dict(own.pop("use", None) or {})
    use.update({key.removeprefix("use."): value for key, value in sets if key.startswith("use.")})
    tree: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for axis, choice in use.items():
        if axis not in AXES:
            raise SettingsError(f"{configs.place('recipes', name)}: use.{axis}: no such axis.{nearest(axis, AXES)}")
        _merge(tree, configs.load(axis, str(choice)), configs.place(axis, str(choice)), origin)
    _merge(tree, own, configs.place("recipes", name), origin)
    for key, value in sets:
        if not key.startswith("use."):
            _set(tree, key, value, origin)
    _name_to_masking(tree, origin)
    _set_every_masking(tree, sets, origin)
    return Loaded(name, _check(tree, origin, configs.place("recipes", name)), origin)


def _parse(change: str) -> tuple[str, Any]:
    """Read a `--set`; `model=tiny` is short for `use.model=tiny`."""
    key, value = parse_change(change)
    short = key in AXES and isinstance(value, str)
    return (f"use.{key}" if short else key), value


def _merge(tree: dict[str, Any], new: Mapping[str, Any], place: str, origin: dict[str, str], path: str = "") -> None:
    for key, value in new.items():
        where = f"{path}{key}"
        if isinstance(value, Mapping) and isinstance(tree.get(key), dict):
            _merge(tree[key], value, place, origin, f"{where}.")
        else:
            tree[key] = _copy(value)
            _note(tree[key], where, place, origin)


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _note(value: Any, where: str, place: str, origin: dict[str, str]) -> None:
    """Write down where a value and all that is in it came from, forgetting what it replaced."""
    for key in [key for key in origin if key == where or key.startswith(f"{where}.")]:
        del origin[key]
    if isinstance(value, dict) and value:
        for key, item in value.items():
            _note(item, f"{where}.{key}", place, origin)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            _note(item, f"{where}.{number}", place, origin)
    else:
        origin[where] = place


def _set(tree: dict[str, Any], key: str, value: Any, origin: dict[str, str]) -> None:
    put(tree, key, value)
    _note(value, key, "--set", origin)


def _name_to_masking(tree: dict[str, Any], origin: dict[str, str]) -> None:
    """Replace a stage's masking name by what configs/masking/NAME.yaml holds."""
    for number, stage in enumerate(tree.get("stages") or []):
        if isinstance(stage, dict) and isinstance(stage.get("masking"), str):
            name = stage["masking"]
            stage["masking"] = _copy(masking_settings(name))
            _note(stage["masking"], f"stages.{number}.masking", configs.place("masking", name), origin)


def _set_every_masking(tree: dict[str, Any], sets: Sequence[tuple[str, Any]], origin: dict[str, str]) -> None:
    """Carry `--set masking=wwm` and `--set masking.rate=0.2` into the stages that bring a masking of their own: what
    the command line says of masking, it says of the whole run."""
    for number, stage in enumerate(tree.get("stages") or []):
        if not isinstance(stage, dict) or not isinstance(stage.get("masking"), dict):
            continue
        for key, value in sets:
            if key == "use.masking":
                _set(tree, f"stages.{number}.masking", None, origin)
            elif key.startswith("masking.") and stage["masking"] is not None:
                _set(tree, f"stages.{number}.{key}", value, origin)


def _check(tree: Mapping[str, Any], origin: Mapping[str, str], recipe_place: str) -> Recipe:
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(fault, origin, recipe_place) for fault in error.errors())) from None


def _explain(fault: Mapping[str, Any], origin: Mapping[str, str], recipe_place: str) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    place = next((origin[k] for k in origin if k == key or k.startswith(f"{key}.")), recipe_place)
    return explain(fault, place, Recipe)


def recipe_from_dict(tree: Mapping[str, Any], place: str) -> Recipe:
    """Check a filled-in recipe as it was saved beside a run."""
    return _check(tree, {}, place)


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """List the leaves of a filled-in recipe by dotted key."""
    if isinstance(value, Mapping) and value:
        items: list[tuple[str, Any]] = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        items = [(str(number), item) for number, item in enumerate(value)]
    else:
        return {path: value}
    leaves: dict[str, Any] = {}
    for key, item in items:
        leaves.update(flatten(item, f"{path}.{key}" if path else key))
    return leaves
