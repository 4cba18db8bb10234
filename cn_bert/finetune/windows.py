"""Passages in windows: where they are cut, where an answer lies in them, and which stretch scores best.

Passages are longer than the encoder, so each question is asked of several overlapping windows. B, L: windows of a
question and tokens of a window; N: tokens of a passage.

Source: run_squad.py of google-research/bert. Ours: the best stretch is found over all permitted ones instead of the
products of the 20 best begins and ends.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Offsets = npt.NDArray[np.int64]


def cut_windows(n_tokens: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Cut a passage into windows [start, end) of at most `room` tokens that together cover it.

    Args:
        n_tokens: length of the passage; one empty window comes of 0.
        room: the most passage tokens in a window, at least 1.
        stride: from the start of one window to the next, at most `room`.

    Raises:
        ValueError: windows would be empty or leave gaps.
    """
    if not 1 <= stride <= room:
        raise ValueError(f"stride {stride} is not in 1 to {room}")
    windows = [(0, min(room, n_tokens))]
    while windows[-1][1] < n_tokens:
        start = windows[-1][0] + stride
        windows.append((start, min(start + room, n_tokens)))
    return windows


def locate_answer(passage: str, answer: str, start: int) -> tuple[int, int] | None:
    """Return the characters [start, end) of an answer, at the occurrence nearest to where it is said to be.

    CMRC 2018 has 21 training answers that do not stand at their answer_start. Surrounding spaces are no part of an
    answer. None: the passage does not hold it.
    """
    answer = answer.strip()
    if not answer:
        return None
    places = [match.start() for match in re.finditer(f"(?={re.escape(answer)})", passage)]
    if not places:
        return None
    begin = min(places, key=lambda place: abs(place - start))
    return begin, begin + len(answer)


def tokens_of(offsets: Offsets, start: int, end: int) -> tuple[int, int] | None:
    """Return the tokens [first, last] that characters [start, end) touch, None where they touch none.

    Args:
        offsets: begin and end of each token in characters, ascending. [N, 2]
        start: first character.
        end: character behind the last.
    """
    first = int(np.searchsorted(offsets[:, 1], start, side="right"))
    last = int(np.searchsorted(offsets[:, 0], end, side="left")) - 1
    return (first, last) if first <= last else None


class Stretch(NamedTuple):
    """The best stretch of a window: its score, and first and last token."""

    score: float
    first: int
    last: int


def best_stretch(begins: Floats, ends: Floats, longest: int) -> tuple[Stretch, float]:
    """Return the stretch of highest begin + end score, and the log of the sum of exp(score) over all stretches.

    Args:
        begins: score of each passage token as the first of the answer. [N]
        ends: the same as the last. [N]
        longest: most tokens of an answer.

    Raises:
        ValueError: there is no token.
    """
    if not len(begins):
        raise ValueError("no token to choose from")
    best = Stretch(-np.inf, 0, 0)
    total = -np.inf
    for extra in range(min(longest, len(begins))):
        scores = begins[: len(begins) - extra].astype(np.float64) + ends[extra:]
        first = int(scores.argmax())
        if scores[first] > best.score:
            best = Stretch(float(scores[first]), first, first + extra)
        total = float(np.logaddexp(total, np.logaddexp.reduce(scores)))
    return best, total
