"""A run's checkpoints: the first rank chooses them, and writes them while training goes on; all ranks restore them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from cn_bert.config import Recipe
from cn_bert.micro_batch import MicroBatch
from cn_bert.training import checkpoint, proof
from cn_bert.training.engine import Ranks
from cn_bert.training.log import RunLog, clock
from cn_bert.training.machine import versions
from cn_bert.training.snapshot import Snapshot, load, write
from cn_bert.training.stage import Stage
from cn_bert.training.states import States, gather_states, restore_states
from corpus_tools.errors import DataError, NotFiniteError, UnverifiedError

SHOWN_FAULTS: Final = 5


class Keeper:
    """The checkpoints of a run that is going. Closing it finishes what is being written.

    Args:
        folder: RUN/checkpoints.
        recipe: filled in.
        ranks: this process among all.
        log: where it tells what it does.
    """

    def __init__(self, folder: Path, recipe: Recipe, ranks: Ranks, log: RunLog) -> None:
        self.step: int | None = None
        """Of the newest checkpoint, which may still be in writing."""
        self._folder = folder
        self._recipe = recipe
        self._ranks = ranks
        self._log = log
        self._saved_at = time.monotonic()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def choose(self, wanted: int | None) -> int | None:
        """Choose the checkpoint to go on from, the same on every rank, and remove what a killed writer has left.

        Args:
            wanted: this step's and no other; None: the newest sound one.

        Returns:
            Its step; None where there is none.

        Raises:
            UnverifiedError: there are checkpoints and none is sound, or the one that is wanted is not.
        """

        def choose() -> int:
            checkpoint.clean(self._folder)
            if wanted is not None:
                return checkpoint.wanted(self._folder, wanted)
            step, faults = checkpoint.newest(self._folder)
            for fault in faults:
                self._log.say(f"WARNING: {fault}; an older checkpoint is used")
            return -1 if step is None else step

        chosen = self._ranks.done_by_first(choose)
        self.step = None if chosen < 0 else chosen
        return self.step

    def restore(self, engine: Any, stage: Stage) -> Mapping[str, Any]:
        """Put the chosen checkpoint into a fresh engine, and see that it is the model that was saved.

        Args:
            engine: over a PretrainingModule, on any number of ranks.
            stage: the one that made the checkpoint's step.

        Returns:
            What else the checkpoint counts: tokens, and what `save` was given.

        Raises:
            DataError: the run was begun on other data.
            UnverifiedError: on any rank the restored model is not the one that was saved.
        """
        assert self.step is not None
        place = checkpoint.at(self._folder, self.step)
        found = load(self._folder, self.step)
        _check_data(found.state["data"], stage.mixture.fingerprint, self._folder.parent)
        proof.check_fit(found.states.weights, engine.module.model, place)
        restore_states(engine, found.states, found.state.get("updates", self.step))
        found = replace(found, states=States({}, {}))  # what was read makes room for what is gathered
        if "proof" in found.state:
            now = self._proof(engine, stage, gather_states(engine), proof.from_tensors(found.probe))
            self._compare(found.state["proof"], now, place)
        else:
            self._log.say(f"WARNING: {place} was written by an older version and is known by its hashes alone")
        return found.state

    def _compare(self, saved: Mapping[str, Any], now: Mapping[str, Any], place: Path) -> None:
        faults = proof.differences(saved, now, self._recipe.precision)
        if int(self._ranks.sum(torch.tensor([len(faults)], device=self._ranks.device))):
            raise UnverifiedError(
                f"{place}: its files are sound, and what was restored is not what was saved: "
                f"{'; '.join(faults[:SHOWN_FAULTS]) or 'on another rank'}. Go on with the versions and the device "
                "that wrote it, or from another checkpoint with --from-step"
            )

    def put_later_aside(self) -> None:
        """Rename the checkpoints after the one that was chosen, so that the next start does not choose one of them."""
        if self._ranks.first and self.step is not None:
            for moved in checkpoint.put_aside(self._folder, self.step):
                self._log.say(f"a later checkpoint is {moved} now")

    def late(self) -> bool:
        """Say whether the last checkpoint is older than `checkpoint.every_minutes`, by the first rank's clock alone."""
        minutes = self._recipe.checkpoint.every_minutes
        return self._ranks.first and minutes is not None and time.monotonic() - self._saved_at >= 60 * minutes

    def save(self, engine: Any, stage: Stage, step: int, state: Mapping[str, Any]) -> None:
        """Copy what the run has learned and have it written while training goes on. Nothing is done twice for a step.

        Args:
            engine: between two optimizer steps.
            stage: the one that made the step.
            step: optimizer steps done.
            state: what else is to be known when the run goes on, as JSON; `updates`, where steps were skipped.

        Raises:
            NotFiniteError: a weight is no number; nothing is written.
            DiskError: the checkpoint before this one could not be written.
        """
        if step == self.step:
            return
        self.finish()
        since = time.perf_counter()
        states, rows = gather_states(engine), proof.probe_rows(stage, self._ranks.device)
        known_by = self._proof(engine, stage, states, rows)
        _check_finite(known_by["norms"], step)
        if self._ranks.first:
            everything = {
                **state,
                "data": stage.mixture.fingerprint,
                "ranks": self._ranks.world,
                "zero_stage": engine.zero_optimization_stage(),
                "versions": versions(),
                "proof": known_by,
            }
            held_up = time.perf_counter() - since
            snapshot = Snapshot(step, states, everything, proof.to_tensors(rows))
            self._writing = self._pool.submit(self._write, snapshot, held_up)
        self.step, self._saved_at = step, time.monotonic()

    def _write(self, snapshot: Snapshot, held_up: float) -> None:
        since = time.perf_counter()
        write(self._folder, snapshot)
        kept = self._recipe.checkpoint
        checkpoint.prune(self._folder, snapshot.step, kept.keep, kept.keep_every_steps)
        took = time.perf_counter() - since
        self._log.say(
            f"checkpoint of step {snapshot.step:,} written in {clock(took)}; training stood still for {held_up:.1f} s"
        )

    def keep_newest(self) -> None:
        """Have the newest checkpoint stay for ever, if there is one; it may still be in writing."""
        if self._ranks.first and self.step is not None:
            self._writing = self._pool.submit(self._keep, self.step, self._writing)

    def _keep(self, step: int, writing: Future[None] | None) -> None:
        if writing is not None:
            writing.result()  # it was submitted before, so it is done
        checkpoint.keep_for_ever(self._folder, step)

    def finish(self) -> None:
        """Wait for the checkpoint that is being written.

        Raises:
            DiskError: it could not be; every rank ends with that code.
        """
        writing, self._writing = self._writing, None

        def wait() -> int:
            if writing is not None:
                writing.result()
            return 0

        self._ranks.done_by_first(wait)

    def close(self) -> None:
        """End the thread, when it has finished the checkpoint that is being written."""
        self._pool.shutdown()

    def _proof(self, engine: Any, stage: Stage, states: States, rows: MicroBatch) -> dict[str, Any]:
        """Say what the model is known by: its weights as they live, its moments as gathered, its loss on some rows."""
        live = {name: value for name, value in engine.module.model.named_parameters() if name in states.weights}
        return {
            "norms": proof.norms({**live, **states.moments}),
            "loss": proof.probe_loss(engine.module, rows, stage.objectives, self._ranks.device),
            "circumstances": proof.circumstances(self._ranks, versions()),
        }


def _check_data(begun_on: str, now: str, run: Path) -> None:
    if begun_on != now:
        raise DataError(
            f"{run}: this run was begun on other data ({begun_on[:12]}, now {now[:12]}). Give the old shards to go on, "
            "or another --out to begin anew"
        )


def _check_finite(norms: Mapping[str, float], step: int) -> None:
    """Refuse to write what the loss has not told yet: an update that spoiled the weights. Ranks agree, as states do."""
    for name, norm in norms.items():
        if not math.isfinite(norm):
            raise NotFiniteError(
                f"step {step}: {name} holds what is no number, so no checkpoint is written; older ones are untouched. "
                "Lower optimizer.peak_lr"
            )
