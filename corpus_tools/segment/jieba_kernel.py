"""jieba's algorithm over arrays: the same words, found in time that grows with the text and not faster.

Text is cut into blocks of Chinese characters, ASCII letters, digits and +#&._%-. In a block the dictionary gives the
route of the highest score. Runs of single characters on that route go to a hidden Markov model, unless they are a
dictionary word themselves. Every float is added in jieba's order, and equal sums are decided as Python's `max` decides
them for tuples.

Blocks are short, so each step is one pass over a stretch of many: a character between blocks has a symbol that leads
nowhere, and sums begin anew at it.

Letters: C characters of the batch, D texts, n characters of a stretch.
Source: jieba 0.42.1, `Tokenizer.__cut_DAG`, `__cut_DAG_NO_HMM` and `finalseg.cut`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.double_array import NOWHERE, ROOT
from corpus_tools.schema import WORD
from corpus_tools.segment.jieba_tables import (
    ALPHANUMERIC,
    BEGIN,
    END,
    FIRST_HAN,
    HAN,
    KIND_BITS,
    MIDDLE,
    OTHER,
    SINGLE,
)

Codes = npt.NDArray[np.uint32]
Nodes = Any
"""Array of jieba_tables.NODE; numpy's types know no fields."""
Int32s = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

STRETCH: Final = 4096
"""A stretch ends behind the first character between blocks from here on: what is worked on stays in the cache."""

_KIND: Final = (1 << KIND_BITS) - 1
_PERCENT, _DOT, _RETURN, _NEWLINE = 0x25, 0x2E, 0x0D, 0x0A


@compiled
def mark_words(
    codes: Codes,
    bounds: npt.NDArray[np.int64],
    marks: Bytes,
    use_model: bool,
    characters: Int32s,
    nodes: Nodes,
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
        characters, nodes, split, unknown, starts, moves, emissions: the fields of JiebaTables.
    """
    room = 0
    run, pairs, width = np.empty(1, np.int32), np.empty(1, np.int32), np.empty(1, np.int32)
    best, back = np.empty(1, np.float64), np.empty(1, np.uint8)
    for text in range(len(bounds) - 1):
        first = bounds[text]
        while first < bounds[text + 1]:
            last = min(first + STRETCH, bounds[text + 1])
            while last < bounds[text + 1] and characters[min(codes[last - 1], 0xFFFF)] & _KIND != OTHER:
                last += 1
            # Never between the two characters of one word.
            if last < bounds[text + 1] and codes[last - 1] == _RETURN and codes[last] == _NEWLINE:
                last += 1
            n = last - first
            if n >= room:
                room = n + n // 4 + 1
                run, pairs, width = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32)
                best, back = np.empty(room, np.float64), np.empty(room, np.uint8)
            look_ahead(codes, first, n, characters, nodes, run, pairs)
            find_route(n, run, pairs, nodes, unknown[0], best, width)
            if use_model:
                follow_route(codes, first, n, marks, run, pairs, width, nodes, split, starts, moves, emissions, back)
            else:
                follow_without_model(codes, first, n, marks, run, width)
            first = last


# Below, a stretch is the n characters of `codes` and `marks` from `first` on; places and the other arrays are relative
# to it. Arrays are not sliced: to count references would cost more than most runs need.


@compiled
def look_ahead(codes: Codes, first: int, n: int, characters: Int32s, nodes: Nodes, run: Int32s, pairs: Int32s) -> None:
    """Look characters up, and write the state that each and the next one lead to.

    Nearly every access to the large trie happens here, where none waits for another.
    """
    for at in range(n):
        run[at] = characters[min(codes[first + at], 0xFFFF)]
    run[n] = 0
    first_base = nodes[ROOT].base
    for at in range(n):
        one = first_base + (run[at] >> KIND_BITS)
        two = nodes[one].base + (run[at + 1] >> KIND_BITS)
        pairs[at] = two if (nodes[one].owner == ROOT) & (nodes[two].owner == one) else NOWHERE


@compiled
def find_route(n: int, run: Int32s, pairs: Int32s, nodes: Nodes, unknown: float, best: Floats, width: Int32s) -> None:
    """Write the length of the word that the best route takes at each character into `width`.

    From the end of a block: best[i] is the highest sum of scores from character i on. Of equal sums the longest word's
    is taken. A character that begins no word is taken alone.
    """
    first_base = nodes[ROOT].base
    best[n] = 0.0
    for at in range(n - 1, -1, -1):
        if run[at] & _KIND == OTHER:
            best[at] = 0.0
            width[at] = 1
            continue
        highest = -np.inf
        length = 0
        one = first_base + (run[at] >> KIND_BITS)
        if nodes[one].owner == ROOT:
            score = nodes[one].score + best[at + 1]
            if score >= highest:  # never for NaN
                highest, length = score, 1
        state = pairs[at]
        end = at + 1
        while state != NOWHERE:
            end += 1
            score = nodes[state].score + best[end]
            if score >= highest:
                highest, length = score, end - at
            further = nodes[state].base + (run[end] >> KIND_BITS)
            state = further if nodes[further].owner == state else NOWHERE
        if length == 0:
            highest, length = unknown + best[at + 1], 1
        best[at] = highest
        width[at] = length


@compiled
def follow_without_model(codes: Codes, first: int, n: int, marks: Bytes, run: Int32s, width: Int32s) -> None:
    """Mark the words of the route; letters and digits that it has alone stay together while they follow each other."""
    at = 0
    in_run = False
    while at < n:
        kind = run[at] & _KIND
        single = width[at] == 1 and kind == ALPHANUMERIC
        if not (single and in_run):
            marks[first + at] |= WORD
        in_run = single
        pair = codes[first + at] == _RETURN and at + 1 < n and codes[first + at + 1] == _NEWLINE
        at += 2 if pair else width[at]


@compiled
def follow_route(
    codes: Codes,
    first: int,
    n: int,
    marks: Bytes,
    run: Int32s,
    pairs: Int32s,
    width: Int32s,
    nodes: Nodes,
    split: npt.NDArray[np.bool_],
    starts: Floats,
    moves: Floats,
    emissions: Floats,
    back: Bytes,
) -> None:
    """Mark the words of the route; where it has single characters in a row, what `finalseg.cut` makes of them.

    That is the model's words in Chinese, matches of [a-zA-Z0-9]+(\\.[0-9]+)?%? elsewhere, and as one word each what
    stands between those.
    """
    at = 0
    while at < n:
        marks[first + at] |= WORD
        if run[at] & _KIND == OTHER:
            # "\r\n" is one word of jieba's, every other character here is one by itself.
            at += 2 if codes[first + at] == _RETURN and at + 1 < n and codes[first + at + 1] == _NEWLINE else 1
            continue
        if width[at] > 1:
            at += width[at]
            continue
        begin = at
        while at < n and width[at] == 1 and run[at] & _KIND != OTHER:
            at += 1
        if at - begin == 1:
            continue
        if is_word(run, begin, at, pairs[begin], nodes):
            for single in range(begin + 1, at):
                marks[first + single] |= WORD
            continue
        place = begin
        while place < at:
            start = place
            kind = run[place] & _KIND
            marks[first + place] |= WORD
            while place < at and run[place] & _KIND == kind:
                place += 1
            if kind == HAN:
                if place - start > 1:
                    mark_by_model(codes, first, start, place, marks, starts, moves, emissions, back)
                    if len(split):
                        split_forced(first, start, place, marks, run, nodes, split)
            elif kind == ALPHANUMERIC:
                if place + 1 < at and codes[first + place] == _DOT and is_digit(codes[first + place + 1]):
                    place += 2
                    while place < at and is_digit(codes[first + place]):
                        place += 1
                if place < at and codes[first + place] == _PERCENT:
                    place += 1


@compiled
def is_word(run: Int32s, begin: int, end: int, state: int, nodes: Nodes) -> bool:
    """Say whether characters [begin, end), two or more, are a word, from the state that the first two lead to."""
    for at in range(begin + 2, end):
        if state == NOWHERE:
            return False
        further = nodes[state].base + (run[at] >> KIND_BITS)
        state = further if nodes[further].owner == state else NOWHERE
    return state != NOWHERE and not np.isnan(nodes[state].score)


@compiled
def is_digit(code: int) -> bool:
    """Say whether a character is an ASCII digit."""
    return 0x30 <= code <= 0x39


@compiled
def mark_by_model(
    codes: Codes,
    first: int,
    begin: int,
    end: int,
    marks: Bytes,
    starts: Floats,
    moves: Floats,
    emissions: Floats,
    back: Bytes,
) -> None:
    """Mark the words on the most probable path of states through Chinese characters [begin, end) (Viterbi).

    back[t] has a bit for each state: which of its two possible predecessors it came from. Of equal ones the letter
    later in the alphabet wins: S before E, M before B.
    """
    code = codes[first + begin] - FIRST_HAN
    b, s = starts[BEGIN] + emissions[code, BEGIN], starts[SINGLE] + emissions[code, SINGLE]
    m, e = starts[MIDDLE] + emissions[code, MIDDLE], starts[END] + emissions[code, END]
    e_to_b, s_to_b, e_to_s, s_to_s = moves[END, BEGIN], moves[SINGLE, BEGIN], moves[END, SINGLE], moves[SINGLE, SINGLE]
    b_to_m, m_to_m, b_to_e, m_to_e = moves[BEGIN, MIDDLE], moves[MIDDLE, MIDDLE], moves[BEGIN, END], moves[MIDDLE, END]
    for at in range(begin + 1, end):
        code = codes[first + at] - FIRST_HAN
        b_emits, s_emits = emissions[code, BEGIN], emissions[code, SINGLE]
        m_emits, e_emits = emissions[code, MIDDLE], emissions[code, END]
        b_from_e, b_from_s = e + e_to_b + b_emits, s + s_to_b + b_emits
        s_from_e, s_from_s = e + e_to_s + s_emits, s + s_to_s + s_emits
        m_from_b, m_from_m = b + b_to_m + m_emits, m + m_to_m + m_emits
        e_from_b, e_from_m = b + b_to_e + e_emits, m + m_to_e + e_emits
        # A bit that is set: from E or from B; one that is not: from S or from M.
        back[at] = (
            (b_from_e > b_from_s) << BEGIN
            | (s_from_e > s_from_s) << SINGLE
            | (m_from_b > m_from_m) << MIDDLE
            | (e_from_b > e_from_m) << END
        )
        b = b_from_e if b_from_e > b_from_s else b_from_s
        s = s_from_e if s_from_e > s_from_s else s_from_s
        m = m_from_b if m_from_b > m_from_m else m_from_m
        e = e_from_b if e_from_b > e_from_m else e_from_m

    # From the end: a word begins behind each E and S, so where a state is one that only follows those, B or S.
    state = END if e > s else SINGLE
    for at in range(end - 1, begin, -1):
        begins = state <= SINGLE
        marks[first + at] |= WORD * begins
        other = back[at] >> state & 1
        state = (END if other else SINGLE) if begins else (BEGIN if other else MIDDLE)


@compiled
def split_forced(
    first: int, begin: int, end: int, marks: Bytes, run: Int32s, nodes: Nodes, split: npt.NDArray[np.bool_]
) -> None:
    """Mark each character of those words in [begin, end) that the model must not make."""
    word = begin
    while word < end:
        behind = word + 1
        while behind < end and not marks[first + behind] & WORD:
            behind += 1
        state = ROOT
        for at in range(word, behind):
            further = nodes[state].base + (run[at] >> KIND_BITS)
            state = further if state != NOWHERE and nodes[further].owner == state else NOWHERE
        if state != NOWHERE and split[state]:
            for at in range(word, behind):
                marks[first + at] |= WORD
        word = behind
