"""A pre-training run from start, or from where it stopped, to its export."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

import torch

from cn_bert.config import Loaded, Recipe
from cn_bert.data.mixture import Mixture, open_mixture
from cn_bert.models import build_model, checkpoint_activations
from cn_bert.models.compiled import compile_layers
from cn_bert.models.probe import probe
from cn_bert.models.start import load_start
from cn_bert.training.checkpoint import CHECKPOINTS
from cn_bert.training.engine import (
    Ranks,
    fill_ds_config,
    lost_ranks_told,
    make_engine,
    read_ds_config,
    start_ranks,
)
from cn_bert.training.export import TOKENIZER, export
from cn_bert.training.guard import Guard
from cn_bert.training.keeper import Keeper
from cn_bert.training.log import RunLog, progress_line
from cn_bert.training.loop import Outcome, memory_named, train_step
from cn_bert.training.machine import versions
from cn_bert.training.meter import Meter
from cn_bert.training.module import PretrainingModule
from cn_bert.training.optim import build_optimizer
from cn_bert.training.precision import DTYPES, resolve_precision
from cn_bert.training.run_folder import RECIPE, check_folder, fill_recipe, read_recipe, save_recipe
from cn_bert.training.schedule import learning_rate, stage_of
from cn_bert.training.score import commonest_token, score
from cn_bert.training.self_test import check_gradients, first_rows
from cn_bert.training.stage import Stage, Stages
from corpus_tools.errors import DataError, SettingsError, StoppedError
from corpus_tools.storage import locked

PLANS: Final = "plans"
EXPORT: Final = "export"
ONE_WISH_SECONDS: Final = 1.0
"""Stop signals that come so soon after the first are the same wish."""


@dataclass(frozen=True)
class Request:
    """What the command line asks for beside the recipe."""

    out: Path
    data: tuple[str, ...] = ()
    """Shard folders; empty: those of the recipe."""
    max_steps: int | None = None
    """Stop after this step of the run, with no change to any schedule."""
    deepspeed_config: str | None = None
    from_step: int | None = None
    """Go on from this step's checkpoint and no other; None: from the newest that is sound."""


def pretrain(loaded: Loaded, request: Request) -> None:
    """Train a recipe, or go on from the newest checkpoint in the run's folder, and export the result.

    Raises:
        StoppedError: a signal came; a checkpoint was written and the same command goes on from it.
        LostRankError: another rank is gone, or hangs.
        UserError: anything else a user can mend, see `corpus_tools.errors`.
    """
    minutes = loaded.recipe.guard.timeout_minutes
    with lost_ranks_told(minutes):
        _pretrain(loaded, request, start_ranks(minutes))


def _pretrain(loaded: Loaded, request: Request, ranks: Ranks) -> None:
    recipe = settle(loaded.recipe, request, ranks.device)
    mixture = open_mixture([(source.path, source.weight) for source in recipe.data], recipe.held_out)
    _check_alike(recipe, mixture, ranks)
    with locked(request.out) if ranks.first else nullcontext():
        begun = check_folder(request.out, recipe)
        run = Run(recipe, mixture, request, ranks)
        ranks.wait()  # nobody writes before everybody has looked
        if ranks.first and (not begun or run.keeper.step is None):  # before its first checkpoint its data may change
            _claim(request.out, loaded.name, recipe)
        with closing(run.keeper), run.stoppable():
            run.train()
        if ranks.first:
            step = export(request.out, request.out / EXPORT, replace=True)
            run.log.say(f"exported step {step:,} to {request.out / EXPORT}")
        run.log.close()
        ranks.wait()


def _check_alike(recipe: Recipe, mixture: Mixture, ranks: Ranks) -> None:
    """Refuse ranks that would train different things; on several machines each reads its own files."""
    if not ranks.alike(recipe.model_dump_json(exclude={"data"})):
        raise SettingsError(
            "the ranks have different recipes. Give all machines the same files and --set, and name the precision if "
            "they are of different kinds"
        )
    if not ranks.alike(mixture.fingerprint):
        raise DataError("--data: the ranks have different shards. Give all machines the same")


def settle(recipe: Recipe, request: Request, device: torch.device) -> Recipe:
    """Fill a recipe in: its data, its defaults, and `precision: auto`, which is decided once in a run's life.

    Raises:
        SettingsError: no data is named, a setting is wrong, or the device cannot compute in the precision.
    """
    precision = recipe.precision
    if precision == "auto" and (request.out / RECIPE).is_file():
        precision = read_recipe(request.out).precision
    resolved = resolve_precision(precision, device)
    return fill_recipe(with_data(recipe, request).model_copy(update={"precision": resolved}))


def with_data(recipe: Recipe, request: Request) -> Recipe:
    """Return the recipe with the data that the command line names, if it names any.

    Raises:
        SettingsError: neither names data.
    """
    if not request.data:
        if not recipe.data:
            raise SettingsError("no data: give --data DIR, or `data: [{path: DIR}]` in the recipe")
        return recipe
    return Recipe.model_validate(recipe.model_dump() | {"data": [{"path": path} for path in request.data]})


def _claim(out: Path, name: str, recipe: Recipe) -> None:
    """Make the folder this run's, once all that could be refused has been looked at: a refused recipe claims none."""
    shutil.copytree(Path(recipe.data[0].path) / TOKENIZER, out / TOKENIZER, dirs_exist_ok=True)
    save_recipe(out, name, recipe)


@dataclass
class Run:
    """The state of a run between two steps."""

    recipe: Recipe
    mixture: Mixture
    request: Request
    ranks: Ranks
    step: int = 0
    """Optimizer steps done."""
    tokens: int = 0
    """Real tokens seen so far."""
    _stop: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        out, recipe, ranks = self.request.out, self.recipe, self.ranks
        self.log = RunLog(out, tensorboard=recipe.log.tensorboard, speak=ranks.first)
        ds_config = fill_ds_config(read_ds_config(self.request.deepspeed_config), recipe, ranks.world)
        self.stages = Stages(recipe, self.mixture, out / PLANS, ranks.device)
        self.keeper = Keeper(out / CHECKPOINTS, recipe, ranks, self.log)
        begun = self.keeper.choose(self.request.from_step)
        self.module = PretrainingModule(self._model(begun).to(ranks.device), DTYPES[recipe.precision])
        if recipe.activation_checkpointing:
            checkpoint_activations(self.module.model)
        probe(self.module.model.base_model, self.mixture.vocabulary.size)
        if recipe.compile:
            compile_layers(self.module.model, ranks.device)
        self.engine = make_engine(self.module, build_optimizer(self.module, recipe.optimizer), ds_config)
        self.guard = Guard(recipe.guard, self.module, ranks, self.log, self.keeper)
        self.commonest = commonest_token(self.mixture, out / PLANS) if ranks.first else 0
        self.last = min(self.request.max_steps or recipe.total_steps, recipe.total_steps)
        if begun is not None:
            self._resume(begun)
        elif self.log.begun:  # it ended before its first checkpoint
            self.log.write(resumed_from=0, ranks=ranks.world)
        self.meter = Meter(recipe, self.mixture.vocabulary.size, ranks)
        self.log.write(**self.meter.about(), versions=versions())
        self.log.say(self._headline())

    def _model(self, begun: int | None) -> Any:
        recipe, vocabulary = self.recipe, self.mixture.vocabulary
        torch.manual_seed(recipe.seed)
        if recipe.start_from and begun is None:
            return load_start(recipe.start_from, recipe.model, vocabulary, recipe.dropout, self.log.say)
        return build_model(recipe.model, vocabulary.size, vocabulary.pad_id, recipe.dropout)

    def _resume(self, step: int) -> None:
        number, _ = stage_of(self.recipe, step)
        state = self.keeper.restore(self.engine, self.stages[number])
        if self.request.from_step is not None:
            self.keeper.put_later_aside()
        self.step, self.tokens = step, state["tokens"]
        self.guard.restore(state, step)
        self.log.write(resumed_from=step, ranks=self.ranks.world)
        self.log.say(f"going on from step {step:,}")

    def _headline(self) -> str:
        n_parameters = sum(parameter.numel() for parameter in self.module.parameters())
        return (
            f"{n_parameters:,} parameters, {self.ranks.world} rank(s) on {self.ranks.device.type}, "
            f"{self.recipe.precision}, {len(self.mixture.training_documents):,} documents, "
            f"{len(self.mixture.held_out_documents):,} held out, steps {self.step:,} to {self.last:,} "
            f"of {self.recipe.total_steps:,}; mfu is of each rank's {self.meter.peak}"
        )

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Turn SIGTERM, SIGINT and SIGUSR1 into a wish to stop after the step; a second one ends at once, but for a
        checkpoint that is being written.

        Ctrl-C under DeepSpeed's launcher comes twice, from the terminal and from the launcher: that is one wish.
        """
        asked = 0.0

        def wish(number: int, frame: FrameType | None) -> None:
            nonlocal asked
            now = time.monotonic()
            if self._stop and now - asked > ONE_WISH_SECONDS:
                raise SystemExit(128 + number)
            if not self._stop:
                self._stop, asked = True, now

        signals = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
        old = {number: signal.signal(number, wish) for number in signals}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def train(self) -> None:
        """Make the steps that are left, up to the run's end or --max-steps."""
        self.module.train()
        if self.step < self.last:
            self._compare_gradients()
        if self.step == 0:
            self._evaluate(self.stages[0])
        while self.step < self.last:
            number, first = stage_of(self.recipe, self.step + 1)
            stage = self.stages[number]
            n_steps = min(stage.settings.steps - first, self.last - self.step)
            self._train_stage(stage, first, n_steps)
        self._save(self.stages[stage_of(self.recipe, self.step)[0]])
        self.keeper.finish()

    def _compare_gradients(self) -> None:
        """Have a run refused whose gradients DeepSpeed would spoil."""
        number, within = stage_of(self.recipe, self.step + 1)
        stage = self.stages[number]
        with memory_named(
            "the test of the gradients before the first step, which holds two more of them,",
            "Use zero_optimization.stage 2 on more ranks, or a smaller model",
        ):
            rows = first_rows(stage, within, self.ranks)
            difference = check_gradients(self.engine, rows, stage.objectives, self.ranks)
        if difference is None:
            self.log.say("WARNING: DeepSpeed's gradients are not compared: the first rows' gradient is no number")
        else:
            self.log.write(gradient_difference=difference)

    def _train_stage(self, stage: Stage, first: int, n_steps: int) -> None:
        """Make steps [first, first + n_steps) of a stage."""
        self.meter.restart()
        batches = stage.batches(first, first + n_steps, self.ranks)
        for batch in batches:
            lr = learning_rate(self.recipe, self.step + 1)
            outcome = train_step(
                self.engine,
                batch,
                stage.objectives,
                self.ranks,
                seed=self.recipe.seed,
                step=self.step + 1,
                lr=lr,
            )
            self.step += 1
            self.tokens += outcome.tokens
            self.meter.add(batch, stage.objectives, outcome.tokens)
            self.guard.watch(self.step, stage, batch.step, outcome, lr)
            if self._due(self.recipe.log.every_steps) and not outcome.skipped:
                self._report(outcome, lr)
            if self._due(self.recipe.evaluate.every_steps):
                self._evaluate(stage)
                self.meter.restart()
            stop, late = self._wishes()
            if stop or late or (self.step % self.recipe.checkpoint.every_steps == 0 and self.step < self.last):
                self._save(stage)
            if stop:
                self.keeper.finish()
                raise StoppedError(f"stopped after step {self.step:,}; the same command goes on from there")

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.last

    def _wishes(self) -> tuple[bool, bool]:
        """Say whether a rank was told to stop and whether it is time for a checkpoint, the same after the same step on
        every rank."""
        if self.ranks.world == 1:  # nobody to agree with, and so no GPU to wait for
            return self._stop, self.keeper.late()
        wishes = torch.tensor([int(self._stop), int(self.keeper.late())], device=self.ranks.device)
        stop, late = self.ranks.sum(wishes).tolist()
        return bool(stop), bool(late)

    def _report(self, outcome: Outcome, lr: float) -> None:
        values = {**outcome.values(), "tokens": self.tokens, **self.meter.read(), "lr": lr}
        self.log.write(step=self.step, **values)
        left = self.meter.seconds_left(self.step, self.last, self.tokens, values["tokens_per_second"])
        self.log.say(progress_line(self.step, self.last, values, left))

    def _evaluate(self, stage: Stage) -> None:
        batches = stage.held_out(self.recipe.evaluate.max_rows, self.ranks)
        commonest = self.ranks.said_by_first(self.commonest)
        scores = score(self.module, batches, stage.objectives, commonest, self.ranks)
        if scores is None:
            return
        self.log.write(step=self.step, tokens=self.tokens, **scores)
        if "unigram_accuracy" in scores:
            self.log.say(
                f"held out: loss {scores['held_out_loss']:.4f}, masked tokens right {scores['held_out_accuracy']:.2%} "
                f"(always the commonest token: {scores['unigram_accuracy']:.2%})"
            )

    def _save(self, stage: Stage) -> None:
        self.keeper.save(self.engine, stage, self.step, {"tokens": self.tokens, **self.guard.state(self.step)})
