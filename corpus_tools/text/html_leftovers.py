"""Take out what is left of HTML in a text: tags, comments, scripts and styles with their bodies; decode entities.

The text is read from left to right into what is kept, and what a character completes is taken out, or decoded, at once.
So nothing complete is left, however it was nested or escaped (`<<b>b>`, `&amp;lt;b>`), and a second run changes
nothing. What was looked at in vain is not looked at again: time is linear.

A tag is one whose name HTML has, or one of Word's (`<o:p>`), and what follows the name begins in ASCII: `a < b`,
`<stdio.h>`, `<张三>` and `<script 来测试>` are text. What never ends (`<!--`, `<script>`) takes nothing else with it.
An entity ends with ";" and stands for one character.

Letters: C characters of the text, N cells of the trie.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cache
from html.entities import html5
from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.double_array import NOWHERE, ROOT, code_points, double_array, step, symbol_of
from corpus_tools.schema import Offsets
from corpus_tools.table_cache import cached
from corpus_tools.text.edits import Edit

Codes = npt.NDArray[np.uint32]
Int32s = npt.NDArray[np.int32]

BREAKING: Final = (
    "address article aside blockquote body br caption center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form frameset h1 h2 h3 h4 h5 h6 head header hr html legend li main menu nav ol optgroup option p "
    "pre script section select style summary table tbody td tfoot th thead title tr ul"
)
"""Tags that stand between two lines."""
INLINE: Final = (
    "a abbr acronym applet area audio b base basefont bdi bdo big blink button canvas cite code col colgroup data "
    "datalist del dfn em embed font frame i iframe img input ins kbd label link map mark marquee meta meter nobr "
    "noframes noscript object output param picture progress q rp rt ruby s samp slot small source span strike strong "
    "sub sup svg template textarea time track tt u var video wbr !doctype ?xml"
)
OPEN_ENDED: Final = "![ m: o: st1: v: w:"
"""Beginnings of a tag, whatever follows: conditions and names of Word."""

# What a tag is, in bits.
TAG: Final = 1
BREAKS: Final = 2
SCRIPT: Final = 4
STYLE: Final = 8
WITH_BODY: Final = SCRIPT | STYLE
ENDS: Final = 16
"""It is the tag at the end: </p>."""
ANY_END: Final = 32

LONGEST_ENTITY: Final = 33
"""Characters from "&" to ";"."""
LONGEST_GAP: Final = 64
"""Spaces that are looked across for what follows the name of a tag."""

LAST_CHARACTER: Final = 0x10FFFF

_NOTHING: Final = -1
_REPLACEMENT: Final = 0xFFFD
_LINE_END, _SPACE, _BANG, _NUMBER_SIGN, _AND, _DASH, _SLASH, _SEMICOLON, _LESS, _GREATER = map(ord, "\n !#&-/;<>")


@dataclass(frozen=True, slots=True)
class HtmlTables:
    """Names of tags ("<br") and of entities ("&nbsp") as a trie."""

    cells: Int32s
    """[N, 2]"""
    symbols: npt.NDArray[np.uint32]
    """[code points]"""
    meaning: Int32s
    """Of the name that ends at a state: the bits of a tag, the code point of an entity; 0 where none ends. [N]"""
    numbered: Int32s
    """The character of an entity such as "&#150;", _NOTHING where it has none. [256]"""


@cache
def _tables() -> HtmlTables:
    return cached(HtmlTables, f"2 {BREAKING} {INLINE} {OPEN_ENDED} {sorted(html5)}", _make_tables)


def _make_tables() -> HtmlTables:
    bits_of = {INLINE: TAG, BREAKING: TAG | BREAKS, OPEN_ENDED: TAG | ANY_END}
    tags = {name: bits for names, bits in bits_of.items() for name in names.split()}
    tags["script"] |= SCRIPT
    tags["style"] |= STYLE
    meaning = {f"<{name}": bits for name, bits in tags.items()}
    named = {name: value for name, value in html5.items() if name.endswith(";") and len(value) == 1}
    meaning |= {f"&{name.removesuffix(';')}": ord(value) for name, value in named.items()}
    trie = double_array(list(meaning))
    return HtmlTables(
        cells=trie.cells,
        symbols=trie.symbols,
        meaning=np.array([*meaning.values(), 0], np.int32)[trie.key_at],
        numbered=np.array([ord(html.unescape(f"&#{n};") or "\0") or _NOTHING for n in range(256)], np.int32),
    )


def html_edits(text: str) -> list[Edit]:
    """Return the edits that take HTML out of a text. A tag of BREAKING becomes a line end if it is not at one."""
    if "<" not in text and "&" not in text:
        return []
    codes, tables = code_points(text), _tables()
    kept, begins, ends = np.empty((3, len(codes)), np.int64)
    n_kept = _read(codes, kept, begins, ends, tables.cells, tables.symbols, tables.meaning, tables.numbered)
    kept, begins, ends = kept[:n_kept], begins[:n_kept], ends[:n_kept]
    behind = np.append(0, ends)
    edits: list[Edit] = []
    for place in np.flatnonzero((begins > behind[:-1]) | (ends - begins > 1)).tolist():
        start, begin, end = int(behind[place]), int(begins[place]), int(ends[place])
        if start < begin:
            edits.append((start, begin, ""))
        if end - begin > 1:
            edits.append((begin, end, chr(kept[place])))
    return [*edits, (int(behind[-1]), len(text), "")] if behind[-1] < len(text) else edits


@compiled
def _read(
    codes: Codes,
    kept: Offsets,
    begins: Offsets,
    ends: Offsets,
    cells: Int32s,
    symbols: npt.NDArray[np.uint32],
    meaning: Int32s,
    numbered: Int32s,
) -> int:
    """Write the characters that are kept, or put in, and which part of the text each stands for. [C]

    A character that is put in, decoded or a line end, stands for all that makes room for it.

    Returns:
        how many there are.
    """
    # Places in `kept`: of "<", of "<!--", and of ">" that complete nothing.
    openings, comments, closings = np.empty((3, len(codes)), np.int32)
    n_openings = n_comments = n_closings = 0
    body = body_start = 0  # the bit of the script or style that has begun, and where
    n = 0
    for place in range(len(codes)):
        code, begin = int(codes[place]), place
        while code != _NOTHING:
            kept[n], begins[n], ends[n] = code, begin, place + 1
            n += 1
            first, instead = n, _NOTHING  # from where on it is taken out, and what is read in its place
            if code == _LESS:
                openings[n_openings] = n - 1
                n_openings += 1
            elif code == _DASH and n > 3 and kept[n - 4] == _LESS and kept[n - 3] == _BANG and kept[n - 2] == _DASH:
                comments[n_comments] = n - 4
                n_comments += 1
            elif code == _SEMICOLON:
                first, instead = _entity(kept[:n], cells, symbols, meaning, numbered)
            elif code == _GREATER and n_comments and kept[n - 3] == _DASH and kept[n - 2] == _DASH:
                first = comments[n_comments - 1]
            elif code == _GREATER:
                tag = 0
                # A "<" with a ">" behind it begins no tag.
                if n_openings and not (n_closings and closings[n_closings - 1] > openings[n_openings - 1]):
                    tag = _tag(kept[openings[n_openings - 1] : n], cells, symbols, meaning)
                if tag:
                    first = openings[n_openings - 1]
                    if not tag & ENDS and tag & WITH_BODY and not body:
                        body, body_start = tag & WITH_BODY, first
                    elif tag & ENDS and tag & body:
                        body, first = 0, body_start
                    if tag & BREAKS and first > 0 and kept[first - 1] != _LINE_END:
                        instead = _LINE_END
                else:
                    closings[n_closings] = n - 1
                    n_closings += 1
            if first < n:
                n, begin = first, begins[first]
                n_openings = _in_front(openings, n_openings, n)
                n_comments = _in_front(comments, n_comments, n)
                n_closings = _in_front(closings, n_closings, n)
                body = body if body_start <= n else 0
            code = instead
    return n


@compiled
def _in_front(places: Int32s, n: int, end: int) -> int:
    """Return how many of the first `n` places are in front of `end`; they rise."""
    while n and places[n - 1] >= end:
        n -= 1
    return n


@compiled
def _tag(text: Offsets, cells: Int32s, symbols: npt.NDArray[np.uint32], meaning: Int32s) -> int:
    """Return the bits of the tag that a text from "<" to ">" is, with no other of them in it; 0 where it is none."""
    ends = ENDS if text[1] == _SLASH else 0
    place = 2 if ends else 1
    state = step(cells, ROOT, symbol_of(symbols, _LESS))
    while not meaning[state] & ANY_END:
        code = text[place]
        following = step(cells, state, symbol_of(symbols, code | 0x20 if 0x41 <= code <= 0x5A else code))
        if following == NOWHERE:
            break
        state = following
        place += 1
    if meaning[state] & ANY_END:
        return TAG
    name_end = place
    while place < name_end + LONGEST_GAP and (text[place] in (_SLASH, _SPACE) or 0x09 <= text[place] <= 0x0D):
        place += 1
    over = text[place] == _GREATER or (place > name_end and text[place] < 0x80)
    return meaning[state] | ends if over and meaning[state] else 0


@compiled
def _entity(
    text: Offsets,
    cells: Int32s,
    symbols: npt.NDArray[np.uint32],
    meaning: Int32s,
    numbered: Int32s,
) -> tuple[int, int]:
    """Return where the entity begins that a text ends with, and its character or _NOTHING.

    Where it ends with none: the end of the text, and _NOTHING.
    """
    end = len(text) - 1
    first = end - 1
    while first > 0 and end - first < LONGEST_ENTITY - 1 and _is_of_name(text[first]):
        first -= 1
    none = (len(text), _NOTHING)
    if end < 2 or text[first] != _AND:
        return none
    if text[first + 1] == _NUMBER_SIGN:
        number = _number(text[first + 2 : end])
        if number == _NOTHING:
            return none
        if number < len(numbered):
            return first, numbered[number]
        return first, number if number <= LAST_CHARACTER and not 0xD800 <= number < 0xE000 else _REPLACEMENT
    state = ROOT
    for code in text[first:end]:
        state = step(cells, state, symbol_of(symbols, code))
        if state == NOWHERE:
            return none
    return (first, meaning[state]) if meaning[state] else none


@compiled
def _is_of_name(code: int) -> bool:
    """Say whether a character is an ASCII letter, a digit or "#"."""
    return 0x30 <= code <= 0x39 or 0x41 <= code <= 0x5A or 0x61 <= code <= 0x7A or code == _NUMBER_SIGN


@compiled
def _number(digits: Offsets) -> int:
    """Return the number that "150" or "x96" writes, _NOTHING where it writes none. Large ones are cut off."""
    base = 16 if len(digits) and digits[0] | 0x20 == 0x78 else 10
    if len(digits) == (base == 16):
        return _NOTHING
    number = 0
    for code in digits[base == 16 :]:
        letter = code | 0x20
        digit = code - 0x30 if 0x30 <= code <= 0x39 else letter - 0x57 if 0x61 <= letter <= 0x66 else base
        if digit >= base:
            return _NOTHING
        number = min(number * base + digit, LAST_CHARACTER + 1)
    return number
