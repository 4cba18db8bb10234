"""Random numbers that are a pure function of a key, so nothing has to be saved to draw them again.

A key such as (seed, epoch, sequence number) names a stream; the n-th number of a stream is a hash of the key and n.
Workers, ranks, batches and restarts do not enter. The hash is SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable
pseudorandom number generators"), whose plain 64-bit arithmetic any language reproduces bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled

Key = tuple[int, ...]
"""What names a stream: (seed, epoch, sequence number), and a number per purpose where one key serves several."""

_GAMMA: Final = 0x9E3779B97F4A7C15
_MASK: Final = 0xFFFFFFFFFFFFFFFF
_GAMMA64: Final = np.uint64(_GAMMA)
_FIRST64: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND64: Final = np.uint64(0x94D049BB133111EB)
_UNIT: Final = 2.0**-53

States = npt.NDArray[np.uint64]
"""States of streams, one for each of some keys."""


def _mix_int(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def state_of(key: Key) -> int:
    """Return the 64-bit state of a key's stream: each part of the key is mixed into what came before."""
    state = 0
    for part in key:
        state = _mix_int((state + _GAMMA + (part & _MASK)) & _MASK)
    return state


def bits(key: Key, count: int) -> npt.NDArray[np.uint64]:
    """Draw `count` 64-bit words. [count]"""
    return _mix(np.uint64(state_of(key)) + _GAMMA64 * np.arange(1, count + 1, dtype=np.uint64))


def _mix(x: States) -> States:
    x = (x ^ (x >> np.uint64(30))) * _FIRST64
    x = (x ^ (x >> np.uint64(27))) * _SECOND64
    return x ^ (x >> np.uint64(31))


def uniforms(key: Key, count: int) -> npt.NDArray[np.float64]:
    """Draw `count` numbers in [0, 1), each a multiple of 2**-53. [count]"""
    return (bits(key, count) >> np.uint64(11)).astype(np.float64) * _UNIT


def integers(key: Key, count: int, high: int) -> npt.NDArray[np.int64]:
    """Draw `count` integers in [0, high). [count]"""
    return (uniforms(key, count) * high).astype(np.int64)


def permutation(key: Key, count: int) -> npt.NDArray[np.int64]:
    """Return the numbers 0..count-1 in random order: the order of `count` drawn words. [count]"""
    return np.argsort(bits(key, count), kind="stable")


def states_of(keys: npt.ArrayLike) -> States:
    """Return the states of the streams of some keys, `state_of` of each. keys [B, parts]; returns [B]"""
    parts = np.asarray(keys, np.int64).astype(np.uint64)
    states: States = np.zeros(len(parts), np.uint64)
    for part in parts.T:
        states = _mix(states + _GAMMA64 + part)
    return states


def extend(states: States, part: int) -> States:
    """Return the states of the keys that go on with `part`. [B]"""
    return _mix(states + _GAMMA64 + np.uint64(part))


@compiled
def extended(state: np.uint64, part: int) -> np.uint64:
    """As `extend`, for compiled code and one state."""
    return mixed(state + _GAMMA64 + np.uint64(part))


@compiled
def uniform(state: np.uint64, number: int) -> float:
    """Return the number of a stream that `uniforms` has at place `number`; for compiled code."""
    return float(mixed(state + _GAMMA64 * np.uint64(number + 1)) >> np.uint64(11)) * _UNIT


mixed: Final[Callable[[np.uint64], np.uint64]] = compiled(cast("Callable[[np.uint64], np.uint64]", _mix))
"""The hash of one 64-bit word; for compiled code."""
