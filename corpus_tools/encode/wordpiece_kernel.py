"""Text to WordPiece tokens over arrays: the ids and offsets that the `tokenizers` library gives, many times faster.

Letters: C characters of the batch, D texts, L tokens, N cells of the trie.
Source: BasicTokenizer and WordpieceTokenizer of google-research/bert.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.double_array import NOWHERE, step
from corpus_tools.encode.vocabulary import MAX_WORD_CHARS
from corpus_tools.encode.wordpiece_tables import ALONE, BREAK, KIND_BITS, MANY, RUN

Codes = npt.NDArray[np.uint32]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

_KIND: Final = (1 << KIND_BITS) - 1
_ROOM: Final = MAX_WORD_CHARS + 1


@compiled
def tokenize(
    codes: Codes,
    bounds: Int64s,
    ids: Int32s,
    begins: Int64s,
    ends: Int64s,
    token_bounds: Int64s,
    actions: Int32s,
    expansions: Int32s,
    expansion_bounds: Int32s,
    cells: Int32s,
    token_at: Int32s,
    inner: Int32s,
    unknown: Int32s,
) -> None:
    """Write the tokens of all texts end to end.

    Args:
        codes: the characters of all texts, end to end; none that REORDERS. [C]
        bounds: where each text begins, and C. [D + 1]
        ids, begins, ends: where the tokens go; token i stands for characters [begins[i], ends[i]). There is room for a
            token for each character that the longest expansions give.
        token_bounds: where the tokens of each text begin, and their number. [D + 1]
        actions, expansions, expansion_bounds, cells, token_at, inner, unknown: the fields of WordPieceTables.
    """
    run = np.empty(_ROOM, np.int32)
    places = np.empty(_ROOM, np.int64)
    n_tokens = 0
    token_bounds[0] = 0
    for text in range(len(bounds) - 1):
        n_run = 0
        run_end = bounds[text]
        for at in range(bounds[text], bounds[text + 1]):
            action = actions[codes[at]]
            kind = action & _KIND
            if kind == RUN:
                if n_run < _ROOM:
                    run[n_run], places[n_run] = action >> KIND_BITS, at
                    n_run += 1
                run_end = at + 1
            elif kind in (ALONE, BREAK):
                if n_run:
                    n_tokens = take_apart(
                        run, places, n_run, run_end, ids, begins, ends, n_tokens, cells, token_at, inner[0], unknown[0]
                    )
                    n_run = 0
                if kind == ALONE:
                    ids[n_tokens], begins[n_tokens], ends[n_tokens] = action >> KIND_BITS, at, at + 1
                    n_tokens += 1
            elif kind == MANY:
                number = action >> KIND_BITS
                for part in expansions[expansion_bounds[number] : expansion_bounds[number + 1]]:
                    part_kind = part & _KIND
                    if part_kind == RUN:
                        if n_run < _ROOM:
                            run[n_run], places[n_run] = part >> KIND_BITS, at
                            n_run += 1
                        run_end = at + 1
                    else:
                        if n_run:
                            n_tokens = take_apart(
                                run, places, n_run, run_end, ids, begins, ends, n_tokens, cells, token_at, inner[0],
                                unknown[0],
                            )  # fmt: skip
                            n_run = 0
                        if part_kind == ALONE:
                            ids[n_tokens], begins[n_tokens], ends[n_tokens] = part >> KIND_BITS, at, at + 1
                            n_tokens += 1
        if n_run:
            n_tokens = take_apart(
                run, places, n_run, run_end, ids, begins, ends, n_tokens, cells, token_at, inner[0], unknown[0]
            )
        token_bounds[text + 1] = n_tokens


@compiled
def take_apart(
    run: Int32s, places: Int64s, n_run: int, run_end: int, ids: Int32s, begins: Int64s, ends: Int64s, n_tokens: int,
    cells: Int32s, token_at: Int32s, inner: int, unknown: int,
) -> int:  # fmt: skip
    """Write the pieces of a run, longest match first, or one [UNK] for all of it. Returns the number of tokens then.

    Args:
        run: its symbols; one more than MAX_WORD_CHARS stands for any number. [n_run]
        places: the character that each comes from. [n_run]
        run_end: one past the last character of the run.
    """
    first = n_tokens
    start = 0
    state = 0
    while start < n_run and n_run <= MAX_WORD_CHARS:
        found, end = NOWHERE, start
        at = start
        while at < n_run and state != NOWHERE:
            state = step(cells, state, run[at])
            at += 1
            if state != NOWHERE and token_at[state] != NOWHERE:
                found, end = token_at[state], at
        if found == NOWHERE:
            break
        ids[n_tokens], begins[n_tokens], ends[n_tokens] = found, places[start], places[end - 1] + 1
        n_tokens += 1
        start = end
        state = inner
    if start < n_run:
        ids[first], begins[first], ends[first] = unknown, places[0], run_end
        n_tokens = first + 1
    return n_tokens
