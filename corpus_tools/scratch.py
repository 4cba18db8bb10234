"""What a command over a whole corpus keeps on disk while it runs, and the list it writes at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from corpus_tools.schema import Offsets
from corpus_tools.storage import disk_errors, refuse_existing, written_whole

Array = npt.NDArray[Any]

BLOCK_BYTES: Final = 1 << 24
"""So much of an array is held before it goes to disk."""


class Column:
    """An array on its way to disk, block by block; the last axis grows."""

    def __init__(self, scratch: Scratch, name: str, share: int) -> None:
        self._scratch, self._name, self._share = scratch, name, share
        self._held: list[Array] = []
        self._n_blocks = self._n_bytes = 0

    def append(self, values: Array) -> None:
        """Add to the end of the array.

        Raises:
            DiskError: the disk is full or refuses.
        """
        self._held.append(values)
        self._n_bytes += values.nbytes
        if self._n_bytes >= BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Put on disk what is held."""
        if self._held:
            self._scratch.save(self._name, self._share, np.concatenate(self._held, axis=-1), self._n_blocks)
            self._held, self._n_bytes = [], 0
            self._n_blocks += 1


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of different lengths, end to end, their values mapped from disk."""

    values: Array
    """[V]"""
    bounds: Offsets
    """Where each row begins, and V. [rows + 1]"""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A folder of arrays. What shares have saved under one name is joined in the shares' order."""

    folder: Path

    @contextmanager
    def columns(self, share: int, *names: str) -> Iterator[list[Column]]:
        """Open columns of a share; they are on disk at the end."""
        made = [Column(self, name, share) for name in names]
        yield made
        for column in made:
            column.flush()

    def save(self, name: str, share: int, values: Array, block: int = 0) -> None:
        """Keep an array, or a block of one.

        Raises:
            DiskError: the disk is full or refuses.
        """
        with disk_errors(self.folder):
            np.save(self.folder / f"{name}-{share:06d}-{block:06d}.npy", values, allow_pickle=False)

    def blocks(self, name: str, share: int | None = None) -> list[Array]:
        """Return the blocks of all shares or of one, in order, mapped from disk."""
        which = "*" if share is None else f"{share:06d}"
        return [_mapped(path) for path in sorted(self.folder.glob(f"{name}-{which}-*.npy"))]

    def joined(self, name: str, none: Array) -> Array:
        """Return the blocks of all shares behind `none`, an array of their kind without a column, in memory."""
        return np.concatenate([none, *self.blocks(name)], axis=-1)

    def rows(self, name: str, lengths: str) -> Rows:
        """Join what was saved as values and as their rows' lengths.

        Raises:
            DiskError: the disk is full or refuses.
        """
        whole = self.folder / f"{name}.whole"
        kind: npt.DTypeLike = np.uint8
        with disk_errors(self.folder), whole.open("wb") as file:
            for path in sorted(self.folder.glob(f"{name}-*.npy")):
                block = _mapped(path)
                kind = block.dtype
                block.tofile(file)
                path.unlink()
        values = np.memmap(whole, kind, "r") if whole.stat().st_size else np.zeros(0, kind)
        ends = np.cumsum(np.concatenate([np.zeros(1, np.int64), *self.blocks(lengths)]))
        return Rows(np.asarray(values), ends)


def _mapped(path: Path) -> Array:
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


@contextmanager
def scratch_beside(target: Path) -> Iterator[Scratch]:
    """Make a folder beside the file that is to be written, on the same disk; it is gone afterwards.

    Raises:
        OutputError: the file exists.
        DiskError: the folder cannot be made.
    """
    refuse_existing(target)
    with ExitStack() as stack:
        with disk_errors(target):
            folder = stack.enter_context(TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent))
        yield Scratch(Path(folder))


def write_list(path: Path, lines: Iterable[str]) -> None:
    """Write a list line by line, whole or not at all.

    Raises:
        DiskError: the disk is full or refuses.
    """
    with written_whole(path) as place, place.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
