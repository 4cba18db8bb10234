"""jieba's algorithm over arrays: the same words, found in time that grows with the text and not faster.

Text is cut into blocks of Chinese characters, ASCII letters, digits and +#&._%-. In a block the dictionary gives the
route of the highest score. Runs of single characters on that route go to a hidden Markov model, unless they are a
dictionary word themselves. Every float is added in jieba's order, and equal sums are decided as Python's `max` decides
them for tuples.

Letters: C characters of the batch, D texts, N cells of the trie.
Source: jieba 0.42.1, `Tokenizer.__cut_DAG`, `__cut_DAG_NO_HMM` and `finalseg.cut`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.double_array import step, symbol_of
from corpus_tools.schema import WORD

Codes = npt.NDArray[np.uint32]
Cells = npt.NDArray[np.int32]
Symbols = npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

OTHER: Final = 0
"""Each such character is a word."""
HAN: Final = 1
ALPHANUMERIC: Final = 2
SIGN: Final = 3
"""One of + # & . _ % -"""

B: Final = 0
M: Final = 1
E: Final = 2
S: Final = 3


@compiled
def kind_of(code: int) -> int:
    """Say what a character is to jieba."""
    if 0x4E00 <= code <= 0x9FD5:
        return HAN
    if code > 0x7A:
        return OTHER
    if code >= 0x61 or 0x41 <= code <= 0x5A or 0x30 <= code <= 0x39:
        return ALPHANUMERIC
    # # % & + - . _
    if code == 0x23 or code == 0x25 or code == 0x26 or code == 0x2B or code == 0x2D or code == 0x2E or code == 0x5F:
        return SIGN
    return OTHER


@compiled
def mark_words(
    codes: Codes,
    bounds: npt.NDArray[np.int64],
    marks: Bytes,
    use_model: bool,
    cells: Cells,
    symbols: Symbols,
    scores: Floats,
    split: npt.NDArray[np.bool_],
    unknown: Floats,
    starts: Floats,
    moves: Floats,
    emissions: Floats,
) -> None:
    """Set WORD where a word of one of the texts begins.

    Args:
        codes: the characters of all texts, end to end. [C]
        bounds: where each text begins, and C. [D + 1]
        marks: where the bits go. [C]
        use_model: whether unknown words are found, jieba's HMM=True.
        cells, symbols, scores, split, unknown, starts, moves, emissions: the fields of JiebaTables.
    """
    longest = 0
    best = np.empty(1, np.float64)
    width = np.empty(1, np.int32)
    back = np.empty(1, np.uint8)
    for text in range(len(bounds) - 1):
        at, end = bounds[text], bounds[text + 1]
        while at < end:
            first = at
            while at < end and kind_of(codes[at]) != OTHER:
                at += 1
            if at > first:
                if at - first > longest:
                    longest = 2 * (at - first)
                    best = np.empty(longest + 1, np.float64)
                    width = np.empty(longest + 1, np.int32)
                    back = np.empty(longest + 1, np.uint8)
                find_route(codes[first:at], best, width, cells, symbols, scores, unknown[0])
                if use_model:
                    follow_route(
                        codes[first:at], marks[first:at], width, back, cells, symbols, scores, split, starts, moves,
                        emissions,
                    )  # fmt: skip
                else:
                    follow_without_model(codes[first:at], marks[first:at], width)
            else:
                marks[at] |= WORD
                # "\r\n" is one word of jieba's, every other character here is one by itself.
                at += 2 if codes[at] == 0x0D and at + 1 < end and codes[at + 1] == 0x0A else 1


@compiled
def find_route(
    block: Codes, best: Floats, width: npt.NDArray[np.int32], cells: Cells, symbols: Symbols, scores: Floats,
    unknown: float,
) -> None:  # fmt: skip
    """Write the length of the word that the best route takes at each character into `width`.

    From the block's end: best[i] is the highest sum of scores from character i on. Of equal sums the longest word's is
    taken. A character that begins no word is taken alone.
    """
    n = len(block)
    best[n] = 0.0
    for at in range(n - 1, -1, -1):
        highest = -np.inf
        length = 0
        state = 0
        end = at
        while end < n:
            state = step(cells, state, symbol_of(symbols, block[end]))
            if state < 0:
                break
            end += 1
            score = scores[state] + best[end]
            if score >= highest:  # never for NaN
                highest = score
                length = end - at
        if length == 0:
            highest = unknown + best[at + 1]
            length = 1
        best[at] = highest
        width[at] = length


@compiled
def follow_route(
    block: Codes, marks: Bytes, width: npt.NDArray[np.int32], back: Bytes, cells: Cells, symbols: Symbols,
    scores: Floats, split: npt.NDArray[np.bool_], starts: Floats, moves: Floats, emissions: Floats,
) -> None:  # fmt: skip
    """Mark the words of the route, those of the model where it has single characters in a row."""
    n = len(block)
    at = 0
    while at < n:
        first = at
        while at < n and width[at] == 1:
            at += 1
        if at - first == 1:
            marks[first] |= WORD
        elif at > first:
            if is_word(block[first:at], cells, symbols, scores):
                for single in range(first, at):
                    marks[single] |= WORD
            else:
                mark_unknown(block[first:at], marks[first:at], back, cells, symbols, split, starts, moves, emissions)
        if at < n:
            marks[at] |= WORD
            at += width[at]


@compiled
def follow_without_model(block: Codes, marks: Bytes, width: npt.NDArray[np.int32]) -> None:
    """Mark the words of the route; letters and digits that it has alone stay together while they follow each other."""
    at = 0
    in_run = False
    while at < len(block):
        single = width[at] == 1 and kind_of(block[at]) == ALPHANUMERIC
        if not (single and in_run):
            marks[at] |= WORD
        in_run = single
        at += width[at]


@compiled
def is_word(run: Codes, cells: Cells, symbols: Symbols, scores: Floats) -> bool:
    """Say whether a run of characters is a word of the dictionary."""
    state = 0
    for code in run:
        state = step(cells, state, symbol_of(symbols, code))
        if state < 0:
            return False
    return not np.isnan(scores[state])


@compiled
def mark_unknown(
    run: Codes, marks: Bytes, back: Bytes, cells: Cells, symbols: Symbols, split: npt.NDArray[np.bool_],
    starts: Floats, moves: Floats, emissions: Floats,
) -> None:  # fmt: skip
    """Mark the words of a run as `finalseg.cut` finds them: by the model in Chinese, else by a pattern.

    The pattern is [a-zA-Z0-9]+(\\.[0-9]+)?%? and what stands between its matches is one word.
    """
    n = len(run)
    at = 0
    while at < n:
        first = at
        marks[at] |= WORD
        kind = kind_of(run[at])
        if kind == HAN:
            while at < n and kind_of(run[at]) == HAN:
                at += 1
            mark_by_model(run[first:at], marks[first:at], back, cells, symbols, split, starts, moves, emissions)
        elif kind == ALPHANUMERIC:
            while at < n and kind_of(run[at]) == ALPHANUMERIC:
                at += 1
            if at + 1 < n and run[at] == 0x2E and is_digit(run[at + 1]):
                at += 2
                while at < n and is_digit(run[at]):
                    at += 1
            if at < n and run[at] == 0x25:
                at += 1
        else:
            while at < n and kind_of(run[at]) == SIGN:
                at += 1


@compiled
def is_digit(code: int) -> bool:
    """Say whether a character is an ASCII digit."""
    return 0x30 <= code <= 0x39


@compiled
def mark_by_model(
    run: Codes, marks: Bytes, back: Bytes, cells: Cells, symbols: Symbols, split: npt.NDArray[np.bool_],
    starts: Floats, moves: Floats, emissions: Floats,
) -> None:  # fmt: skip
    """Mark the words on the most probable path of states through a run of Chinese characters (Viterbi).

    back[t] has a bit for each state: which of its two possible predecessors it came from. Of equal ones the letter
    later in the alphabet wins: S before E, M before B.
    """
    n = len(run)
    emission = emissions[run[0] - 0x4E00]
    b, m = starts[B] + emission[B], starts[M] + emission[M]
    e, s = starts[E] + emission[E], starts[S] + emission[S]
    for at in range(1, n):
        emission = emissions[run[at] - 0x4E00]
        b_from_e, b_from_s = e + moves[E, B] + emission[B], s + moves[S, B] + emission[B]
        m_from_b, m_from_m = b + moves[B, M] + emission[M], m + moves[M, M] + emission[M]
        e_from_b, e_from_m = b + moves[B, E] + emission[E], m + moves[M, E] + emission[E]
        s_from_e, s_from_s = e + moves[E, S] + emission[S], s + moves[S, S] + emission[S]
        # A bit that is set: from E or from B; one that is not: from S or from M.
        bits = 0
        if b_from_e > b_from_s:
            bits |= 1 << B
        if m_from_b > m_from_m:
            bits |= 1 << M
        if e_from_b > e_from_m:
            bits |= 1 << E
        if s_from_e > s_from_s:
            bits |= 1 << S
        back[at] = bits
        b, m = max(b_from_e, b_from_s), max(m_from_b, m_from_m)
        e, s = max(e_from_b, e_from_m), max(s_from_e, s_from_s)

    # From the end: a word begins behind each E and S, that is where the state before is one of the two.
    state = E if e > s else S
    end = n
    for at in range(n - 1, 0, -1):
        came_other = back[at] >> state & 1
        from_end = state in (B, S)
        before = (E if came_other else S) if from_end else (B if came_other else M)
        if from_end:
            marks[at] |= WORD
            split_forced(run[at:end], marks[at:end], cells, symbols, split)
            end = at
        state = before
    marks[0] |= WORD
    split_forced(run[:end], marks[:end], cells, symbols, split)


@compiled
def split_forced(word: Codes, marks: Bytes, cells: Cells, symbols: Symbols, split: npt.NDArray[np.bool_]) -> None:
    """Mark each character of a word that the model must not make."""
    if len(word) == 1:
        return
    state = 0
    for code in word:
        state = step(cells, state, symbol_of(symbols, code))
        if state < 0:
            return
    if split[state]:
        for at in range(len(word)):
            marks[at] |= WORD
