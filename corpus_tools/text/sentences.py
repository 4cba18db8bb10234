"""Where paragraphs and sentences of a text begin: by line ends, punctuation, quotation marks and brackets.

A paragraph is a line. A sentence ends after a run of 。！？｡；… or !?;, after three dots and more, and after a full
stop that ends a Latin sentence or stands between Chinese characters; closing quotes and brackets stay with it, as does
white space behind it. Straight quotes may open as well as close and are not moved. What is quoted or in brackets is not
taken apart, unless it is longer than LONGEST_QUOTE or never closed. A sentence without such an end is cut at
LONGEST_SENTENCE or before: behind the last comma or white space of its second half, else between two words.

Letters: C characters of a batch.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.schema import PARAGRAPH, SENTENCE, WORD, Flags
from corpus_tools.table_cache import cached
from corpus_tools.text.batch import TextBatch

LONGEST_QUOTE: Final = 200
"""Characters of a quotation or a bracket, its marks included, that are kept together at most."""
LONGEST_SENTENCE: Final = 512
"""Characters of a sentence at most: as many tokens as the models of this family have positions."""

_ENDING: Final = "。！？｡!?；;….．"
_CLOSING: Final = "”’」』）)】》〉〕]"
_CONTINUING: Final = "，、,：:"
"""A sentence does not begin with one of these: 他说“好！”，就走了。 is one sentence."""
_PAIRS: Final = "“”‘’「」『』（）()【】《》〈〉〔〕[]"

_FIRST_HAN: Final = 0x3400
"""Chinese characters and full-width forms are from here on; what is below counts as Latin."""
_LONGEST_ABBREVIATION: Final = 16
_ABBREVIATIONS: Final = (
    "mr mrs ms dr prof st sr jr no nos vs etc al fig figs eq eqs vol pp ed eds inc ltd co corp dept univ approx cf "
    "gen col lt sgt rev hon jan feb mar apr jun jul aug sep sept oct nov dec"
)

# What a character is, in bits.
SPACE: Final = 1
ENDS: Final = 2
CLOSES: Final = 4
CONTINUES: Final = 8
OPENS: Final = 16
UPPER: Final = 32
LOWER: Final = 64
DIGIT: Final = 128


@dataclass(frozen=True, slots=True)
class CharacterTables:
    """What the kernel knows of characters."""

    bits: npt.NDArray[np.uint8]
    """Of each code point. [0x110000]"""
    partner: npt.NDArray[np.uint32]
    """The mark that closes what a code point opens, 0 where it opens nothing. [0x10000]"""
    abbreviations: npt.NDArray[np.int64]
    """Their lower-case letters as the bytes of a number, sorted."""


def character_tables() -> CharacterTables:
    """Return the tables, made at the first call."""
    return cached(CharacterTables, f"1 unicode {unicodedata.unidata_version}", _character_tables)


def _character_tables() -> CharacterTables:
    bits = np.zeros(0x110000, np.uint8)
    for code in range(0x110000):
        character = chr(code)
        bits[code] = (
            SPACE * character.isspace()
            + UPPER * character.isupper()
            + LOWER * character.islower()
            + DIGIT * character.isdigit()
        )
    for marks, bit in ((_ENDING, ENDS), (_CLOSING, CLOSES), (_CONTINUING, CONTINUES), (_PAIRS[::2], OPENS)):
        bits[[ord(mark) for mark in marks]] |= bit
    partner = np.zeros(0x10000, np.uint32)
    for opening, closing in zip(_PAIRS[::2], _PAIRS[1::2], strict=True):
        partner[ord(opening)] = ord(closing)
    words = [int.from_bytes(word.encode(), "big") for word in _ABBREVIATIONS.split()]
    return CharacterTables(bits, partner, np.array(sorted(words), np.int64))


def mark_sentences(batch: TextBatch, marks: Flags, tables: CharacterTables) -> None:
    """Set PARAGRAPH and SENTENCE where one begins. `marks` has WORD where words begin. [C]

    White space in front of the first word of a paragraph belongs to it; white space between sentences to the first.
    """
    _mark(batch.codes, batch.bounds, marks, tables.bits, tables.partner, tables.abbreviations)


@compiled
def _mark(
    codes: npt.NDArray[np.uint32],
    bounds: npt.NDArray[np.int64],
    marks: Flags,
    bits: npt.NDArray[np.uint8],
    partner: npt.NDArray[np.uint32],
    abbreviations: npt.NDArray[np.int64],
) -> None:
    for text in range(len(bounds) - 1):
        start = bounds[text]
        while start < bounds[text + 1]:
            end = start
            blank = True
            while end < bounds[text + 1] and codes[end] != 0x0A:
                blank &= bits[codes[end]] & SPACE != 0
                end += 1
            if not blank:
                marks[start] |= PARAGRAPH
                _mark_paragraph(codes, bounds[text], start, end, marks, bits, partner, abbreviations)
            start = end + 1


@compiled
def _mark_paragraph(
    codes: npt.NDArray[np.uint32],
    text: int,
    start: int,
    end: int,
    marks: Flags,
    bits: npt.NDArray[np.uint8],
    partner: npt.NDArray[np.uint32],
    abbreviations: npt.NDArray[np.int64],
) -> None:
    """Mark the sentences of the paragraph [start, end) of the text that begins at `text`."""
    marks[start] |= SENTENCE
    together = start  # what stands before is quoted or in brackets
    at = start
    while at < end:
        bit = bits[codes[at]]
        if bit & OPENS and at >= together:
            together = max(together, _closed_behind(codes, at, end, partner))
        if not bit & ENDS:
            at += 1
            continue
        first = at
        while at < end and bits[codes[at]] & ENDS:
            at += 1
        behind_marks = at
        while at < end and bits[codes[at]] & CLOSES:
            at += 1
        closed = at
        while at < end and bits[codes[at]] & SPACE:
            at += 1
        if at >= end or closed < together or bits[codes[at]] & CONTINUES:
            at = behind_marks
        elif _ends_sentence(codes, text, first, behind_marks, at > closed, at, bits, abbreviations):
            marks[at] |= SENTENCE
        else:
            at = behind_marks
    _cut_long(codes, start, end, marks, bits)


@compiled
def _closed_behind(codes: npt.NDArray[np.uint32], at: int, end: int, partner: npt.NDArray[np.uint32]) -> int:
    """Return the place behind the mark that closes what opens at `at`, or `at` where none does within LONGEST_QUOTE."""
    opening = codes[at]
    closing = partner[opening]
    depth = 0
    for place in range(at, min(end, at + LONGEST_QUOTE)):
        if codes[place] == opening:
            depth += 1
        elif codes[place] == closing:
            depth -= 1
            if depth == 0:
                return place + 1
    return at


@compiled
def _ends_sentence(
    codes: npt.NDArray[np.uint32],
    text: int,
    first: int,
    last: int,
    space: bool,
    after: int,
    bits: npt.NDArray[np.uint8],
    abbreviations: npt.NDArray[np.int64],
) -> bool:
    """Judge the marks [first, last) by what stands around them.

    Args:
        text: where the text begins.
        space: whether white space follows.
        after: the first character behind that; it is of the same paragraph.
    """
    n_marks = last - first
    if n_marks == 1 and (codes[first] == 0x2E or codes[first] == 0xFF0E):
        return _is_full_stop(codes, text, first, space, after, bits, abbreviations)
    if n_marks == 2 and codes[first] == 0x2E and codes[first + 1] == 0x2E:
        return False
    # "a?b=1" and "x!=y" are no two sentences, "真的?OK" is.
    beside = max(codes[first:last].max(), codes[after], codes[first - 1] if first > text else 0)
    return space or beside >= 0x80


@compiled
def _is_full_stop(
    codes: npt.NDArray[np.uint32],
    text: int,
    dot: int,
    space: bool,
    after: int,
    bits: npt.NDArray[np.uint8],
    abbreviations: npt.NDArray[np.int64],
) -> bool:
    """Tell the dot that ends a sentence from those within numbers, names and addresses."""
    following = codes[after]
    if dot > text and codes[dot - 1] >= _FIRST_HAN:
        if space or bits[following] & UPPER:
            return True
        return following >= _FIRST_HAN and not bits[following] & DIGIT
    if not space or bits[following] & LOWER or dot == text:
        return False
    # The Latin word in front: "in 2020." and "the end)." end a sentence; "U.S.", "J.", "No.", "1." in a list do not.
    begin = dot
    earliest = max(text, dot - _LONGEST_ABBREVIATION)
    digits = True
    while begin > earliest and _is_latin(codes[begin - 1]):
        begin -= 1
        digits &= 0x30 <= codes[begin] <= 0x39
    if begin == dot:
        return not bits[codes[dot - 1]] & SPACE
    if digits:
        return begin > earliest and codes[begin - 1] != 0x0A
    word = n_last = 0
    for place in range(begin, dot):
        code = codes[place]
        n_last = 0 if code == 0x2E else n_last + 1
        letter = code | 0x20 if 0x41 <= code <= 0x5A else min(code, 0xFF)
        word = word << 8 | letter  # of a word of over eight letters the last eight, and no abbreviation has so many
    known = np.searchsorted(abbreviations, word)
    return n_last > 1 and not (known < len(abbreviations) and abbreviations[known] == word)


@compiled
def _is_latin(code: int) -> bool:
    """Say whether a character may be within a Latin word or a number: a letter, a digit or a dot."""
    return 0x61 <= code <= 0x7A or 0x41 <= code <= 0x5A or 0x30 <= code <= 0x39 or code == 0x2E or 0xC0 <= code <= 0x24F


@compiled
def _cut_long(codes: npt.NDArray[np.uint32], start: int, end: int, marks: Flags, bits: npt.NDArray[np.uint8]) -> None:
    """Cut the sentences of a paragraph that are longer than LONGEST_SENTENCE."""
    first = start
    at = start + 1
    while at < end:
        if marks[at] & SENTENCE:
            first = at
        elif at - first == LONGEST_SENTENCE:
            between_words = behind_comma = 0
            for place in range(at, first + LONGEST_SENTENCE // 2, -1):
                if marks[place] & WORD:
                    between_words = max(between_words, place)
                    if bits[codes[place - 1]] & (CONTINUES | SPACE) and not bits[codes[place]] & SPACE:
                        behind_comma = place
                        break
            first = behind_comma or between_words or at
            marks[first] |= SENTENCE
            at = first
        at += 1
