"""Fit sequences of many lengths into rows of one size, so that hardly a token of a row is padding.

Best fit: the longest sequence first, each into the row it leaves the least room in. Windows of a few thousand
sequences bound the memory and keep the plan's random order in the large. Source: best-fit decreasing (Johnson 1974),
used for BERT in arXiv:2107.02027. Letters: S sequences, R rows.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.draw import Key, permutation
from corpus_tools.schema import Offsets

WINDOW: Final = 4096
"""Sequences that are packed together."""


def pack(
    order: Offsets, lengths: Offsets, row_tokens: int, key: Key, window: int = WINDOW
) -> tuple[npt.NDArray[np.uint32], Offsets]:
    """Pack sequences into rows, window by window of their order.

    The rows of a window are shuffled: they are made longest first, and a step should not meet one length alone.

    Args:
        order: sequence numbers in the order they are to come, in the large. [S]
        lengths: tokens of each sequence by its number, at most `row_tokens`. [S]
        row_tokens: tokens a row holds.
        key: names the shuffle.
        window: sequences packed together.

    Returns:
        The sequence numbers row after row [S], and where each row begins among them [R + 1].
    """
    packed = np.empty(order.size, np.uint32)
    starts = array("q", [0])  # not lists: an epoch of a large corpus has hundreds of millions of sequences
    for number, begin in enumerate(range(0, order.size, window)):
        members = order[begin : begin + window]
        rows = best_fit(lengths[members].tolist(), row_tokens)
        for row in permutation((*key, number), len(rows)).tolist():
            end = starts[-1] + len(rows[row])
            packed[starts[-1] : end] = members[rows[row]]
            starts.append(end)
    return packed, np.frombuffer(starts, np.int64)


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Put each item, longest first, into the row with the least room that still holds it.

    Args:
        lengths: sizes of the items, 1 to `capacity`.
        capacity: size of a row.

    Returns:
        The items of each row by their index, in the order they were put in.

    Raises:
        ValueError: an item is larger than a row, or empty.
    """
    rows: list[list[int]] = []
    with_room: list[list[int]] = [[] for _ in range(capacity + 1)]
    open_rooms = 0  # bit r is set where a row with r tokens of room stands: the least that fits is one bit trick away
    for item in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length = lengths[item]
        if not 0 < length <= capacity:
            raise ValueError(f"an item of {length} does not fit a row of {capacity}")
        fitting = open_rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = with_room[room].pop()
            if not with_room[room]:
                open_rooms &= ~(1 << room)
            rows[row].append(item)
        else:
            room, row = capacity, len(rows)
            rows.append([item])
        with_room[room - length].append(row)
        open_rooms |= 1 << (room - length)
    return rows
