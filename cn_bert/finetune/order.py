"""The order in which training examples are taken: drawn anew each epoch, with batches of like length.

Trainer's own length grouping sorts 50 batches at a time and takes them from long to short. Measured on ChnSentiCorp (a
2x32 encoder from random weights, 128 tokens, 2 epochs, rate 1e-3, dev accuracy of 2 seeds): 0.49 and 0.63, where plain
random order gives 0.87 and 0.88; why was not looked into. Sorting in small pools and shuffling the batches after that
gives 0.88 and 0.88, and of the tokens computed 93 % are real instead of 64 % (at 256 tokens 87 % instead of 40 %).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools import draw

POOL_BATCHES: Final = 8
"""Batches that are sorted by length together."""

_EXAMPLES, _BATCHES = 0, 1
"""What the last part of a draw's key says it is for."""


def order_of(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return the numbers of all examples in the order of an epoch; each run of `batch_size` is a batch.

    A pure function of its arguments. A batch that is not full comes last.

    Args:
        lengths: tokens of each example. [N]
        batch_size: examples of a step.
        seed: of the run.
        epoch: from 0.
    """
    shuffled = draw.permutation((seed, epoch, _EXAMPLES), len(lengths))
    tokens = np.asarray(lengths, np.int64)
    pool = batch_size * POOL_BATCHES
    pools = [shuffled[start : start + pool] for start in range(0, len(shuffled), pool)]
    by_length = np.concatenate([part[np.argsort(tokens[part], kind="stable")] for part in pools])
    n_full = len(by_length) // batch_size
    batches = by_length[: n_full * batch_size].reshape(n_full, batch_size)
    taken = batches[draw.permutation((seed, epoch, _BATCHES), n_full)]
    return np.concatenate([taken.ravel(), by_length[n_full * batch_size :]])


class LikeLengths:
    """The sampler that takes examples in this order; Trainer tells it the epoch."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Take the order of this epoch from now on."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        return iter(order_of(self._lengths, self._batch_size, self._seed, self._epoch).tolist())
