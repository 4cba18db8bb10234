"""The plan of an epoch: its sequences, their order, and the rows they are packed into, in memory-mapped files.

A plan is a pure function of the data, the sequence settings, the seed, the epoch and the size of a row. So it is never
saved with a checkpoint: whoever lacks it makes it again and gets the same bytes. Letters: P pieces, S sequences,
R rows.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from cn_bert.data.mixture import Mixture
from cn_bert.data.packing import WINDOW, pack
from cn_bert.data.sequences.kind import EpochText, Piece, SequenceKind, Stream
from corpus_tools.draw import permutation
from corpus_tools.errors import DataError, DiskError, SettingsError
from corpus_tools.storage import replace_whole, sync, write_json

VERSION: Final = 1
"""Of the rules here: a plan made by another one is made again."""
KEPT_EPOCHS: Final = 4
"""Plans of older epochs are removed when a new one is made; the numbers of their rows stay."""

_EPOCHS: Final = "epochs.json"
_MAKING: Final = ".making-"

_SEQUENCES: Final = int.from_bytes(b"sequence")
_ORDER: Final = int.from_bytes(b"order")
_ROWS: Final = int.from_bytes(b"rows")
# These stand third in a key, where masks have the sequence number: far too large to be one.

_ARRAYS: Final = {
    "documents": np.uint32,
    "starts": np.uint32,
    "ends": np.uint32,
    "first_piece": np.int64,
    "is_next": np.int8,
    "packed": np.uint32,
    "first_packed": np.int64,
}

Part = Literal["training", "held_out"]


@dataclass(frozen=True)
class PlanKey:
    """All that a plan depends on."""

    data: str
    """Fingerprint of the mixture."""
    part: Part
    kind: str
    """The class of the sequences and its settings."""
    row_tokens: int
    seed: int
    epoch: int
    version: int = VERSION

    @property
    def stem(self) -> str:
        """Name all epochs of these settings."""
        rest = {name: value for name, value in asdict(self).items() if name != "epoch"}
        return f"{self.part}-{hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]}"

    @property
    def name(self) -> str:
        """Name the plan's folder."""
        return f"{self.stem}-epoch-{self.epoch:05d}"


@dataclass(frozen=True)
class Plan:
    """The sequences of an epoch and the rows they stand in. Arrays are maps of files."""

    key: PlanKey
    documents: npt.NDArray[np.uint32]
    """Document each piece is cut from. [P]"""
    starts: npt.NDArray[np.uint32]
    """First token of each piece in its document. [P]"""
    ends: npt.NDArray[np.uint32]
    """End token of each piece in its document. [P]"""
    first_piece: npt.NDArray[np.int64]
    """Where the pieces of each sequence begin. [S + 1]"""
    is_next: npt.NDArray[np.int8]
    """1 where the second piece goes on after the first, 0 where it is random, -1 where nothing is said. [S]"""
    packed: npt.NDArray[np.uint32]
    """Sequence numbers, row after row. [S]"""
    first_packed: npt.NDArray[np.int64]
    """Where each row begins in `packed`. [R + 1]"""
    n_tokens: int
    """Tokens of all sequences, [CLS] and [SEP] counted."""

    @property
    def epoch(self) -> int:
        return self.key.epoch

    @property
    def n_sequences(self) -> int:
        return int(self.is_next.size)

    @property
    def n_rows(self) -> int:
        return int(self.first_packed.size) - 1

    @property
    def fill(self) -> float:
        """Share of the rows' room that holds tokens."""
        return self.n_tokens / (self.n_rows * self.key.row_tokens)

    def row(self, number: int) -> list[int]:
        """Return the sequence numbers of a row."""
        found: list[int] = self.packed[self.first_packed[number] : self.first_packed[number + 1]].tolist()
        return found

    def pieces(self, sequence: int) -> list[Piece]:
        """Return the pieces of a sequence: document, first token, end token."""
        here = slice(self.first_piece[sequence], self.first_piece[sequence + 1])
        columns = (self.documents[here].tolist(), self.starts[here].tolist(), self.ends[here].tolist())
        return list(zip(*columns, strict=True))


def plan_key(
    mixture: Mixture, kind: SequenceKind, *, seed: int, epoch: int, row_tokens: int, part: Part = "training"
) -> PlanKey:
    """Gather what a plan depends on.

    Raises:
        SettingsError: sequences would be longer than a row.
    """
    if kind.max_tokens is not None and kind.max_tokens > row_tokens:
        raise SettingsError(f"sequences.max_tokens: {kind.max_tokens} is more than the {row_tokens} tokens of a row")
    return PlanKey(mixture.fingerprint, part, repr(kind), row_tokens, seed, epoch)


def make_plan(
    mixture: Mixture,
    kind: SequenceKind,
    *,
    seed: int,
    epoch: int,
    row_tokens: int,
    folder: Path,
    part: Part = "training",
) -> Plan:
    """Open the plan of an epoch, or make it where it is not there yet.

    Processes that share `folder` make it once: one works, the others wait for it.

    Args:
        mixture: the documents.
        kind: how they become sequences.
        seed: names all draws, together with the epoch.
        epoch: counted through the whole run.
        row_tokens: tokens a row holds, [CLS] and [SEP] counted.
        folder: where plans are kept; made where it is missing.
        part: the documents that are trained on, or those that are held out.

    Raises:
        SettingsError: sequences would be longer than a row.
        DataError: no document gives a sequence.
        DiskError: the plan cannot be written.
    """
    key = plan_key(mixture, kind, seed=seed, epoch=epoch, row_tokens=row_tokens, part=part)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            found = _open(folder, key)
            if found is None:
                _write(folder, key, _arrays(mixture, kind, key))
                _forget_old(folder, key)
                found = _open(folder, key)
    except OSError as error:
        raise DiskError(f"{folder}: the plan of epoch {epoch} cannot be written: {error}") from error
    if found is None:
        raise DiskError(f"{folder / key.name}: the plan was written and cannot be read back")
    return found


def remembered_rows(folder: Path, key: PlanKey) -> int | None:
    """Return how many rows a plan has, or None where it was never made here. Its arrays may be gone by now."""
    return _read_counts(folder).get(key.name)


def _arrays(mixture: Mixture, kind: SequenceKind, key: PlanKey) -> dict[str, npt.NDArray[Any]]:
    """Make the sequences, order them, pack them."""
    arrays = _sequences(mixture, kind, key)
    n_sequences = arrays["is_next"].size
    if not n_sequences:
        raise DataError(
            f"epoch {key.epoch} has no sequence: no document was drawn. Raise the weights, or build from more text."
        )
    lengths = _lengths(arrays)
    order = permutation((key.seed, key.epoch, _ORDER), n_sequences)
    packed, first_packed = pack(order, lengths, key.row_tokens, (key.seed, key.epoch, _ROWS), WINDOW)
    return {**arrays, "packed": packed, "first_packed": first_packed}


def _sequences(mixture: Mixture, kind: SequenceKind, key: PlanKey) -> dict[str, npt.NDArray[Any]]:
    """Walk the documents; a sequence's number is its place in the order they are made in."""
    walks = mixture.walks(key.seed, key.epoch) if key.part == "training" else mixture.held_out_documents
    text = EpochText(mixture.sentences, walks)
    max_tokens = kind.max_tokens or key.row_tokens
    documents, starts, ends, first_piece, is_next = array("I"), array("I"), array("I"), array("q", [0]), array("b")
    previous, walk = -1, 0
    for document in walks.tolist():
        walk = walk + 1 if document == previous else 0
        previous = document
        draw = Stream((key.seed, key.epoch, _SEQUENCES, document, walk))
        for label, pieces in kind.walk(text, document, max_tokens, draw):
            for piece in pieces:
                documents.append(piece[0])
                starts.append(piece[1])
                ends.append(piece[2])
            first_piece.append(len(documents))
            is_next.append(label)
    made = {"documents": documents, "starts": starts, "ends": ends, "first_piece": first_piece, "is_next": is_next}
    return {name: np.frombuffer(values, _ARRAYS[name]) for name, values in made.items()}


def _lengths(arrays: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Count the tokens of each sequence: its pieces, a [SEP] for each, and [CLS]. [S]"""
    pieces = arrays["ends"].astype(np.int64) - arrays["starts"] + 1
    total: npt.NDArray[np.int64] = np.add.reduceat(pieces, arrays["first_piece"][:-1]) + 1
    return total


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time into a folder, where its file system can lock; a plan is right either way."""
    with (folder / "lock").open("w") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
            for place in folder.glob(f"{_MAKING}*"):  # of a process that was killed: whoever makes one holds the lock
                shutil.rmtree(place, ignore_errors=True)
        yield


def _write(folder: Path, key: PlanKey, arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Write a plan beside its place and move it there whole, so a plan that is found is finished."""
    making = folder / f"{_MAKING}{key.name}-{os.getpid()}"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    try:
        for name, values in arrays.items():
            np.save(making / f"{name}.npy", values)
            sync(making / f"{name}.npy")
        about = {
            "key": asdict(key),
            "sizes": {name: int(values.size) for name, values in arrays.items()},
            "n_tokens": int(_lengths(arrays).sum()),
        }
        write_json(making / "plan.json", about)
        shutil.rmtree(folder / key.name, ignore_errors=True)
        try:
            replace_whole(making, folder / key.name)
        except OSError:
            if _open(folder, key) is None:  # where locks do nothing another process may have been first, with the same
                raise
    finally:
        shutil.rmtree(making, ignore_errors=True)
    write_json(folder / _EPOCHS, {**_read_counts(folder), key.name: int(arrays["first_packed"].size) - 1})


def _open(folder: Path, key: PlanKey) -> Plan | None:
    """Map a plan's arrays; None where it is missing, of other settings, or damaged: it is then made anew."""
    place = folder / key.name
    try:
        about = json.loads((place / "plan.json").read_text(encoding="utf-8"))
        arrays = {name: np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS}
        whole = about["key"] == asdict(key) and all(
            arrays[name].shape == (about["sizes"][name],) and arrays[name].dtype == kind
            for name, kind in _ARRAYS.items()
        )
        return Plan(key=key, n_tokens=int(about["n_tokens"]), **arrays) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read_counts(folder: Path) -> dict[str, int]:
    try:
        found = json.loads((folder / _EPOCHS).read_text(encoding="utf-8"))
        return {str(name): int(count) for name, count in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _forget_old(folder: Path, key: PlanKey) -> None:
    """Remove the arrays of epochs long past. A process that still maps one keeps it until it lets go."""
    for place in folder.glob(f"{key.stem}-epoch-*"):
        if int(place.name.rpartition("-")[2]) <= key.epoch - KEPT_EPOCHS:
            shutil.rmtree(place, ignore_errors=True)
