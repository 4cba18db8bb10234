"""Cleaning steps, each by itself and none by default: what may go from a text that was scraped, scanned or pasted.

A step is a function from a text to the edits that clean it. Each takes linear time, and its second run changes nothing.
Steps are carried out in the order of STEPS, whatever order they were asked for in: entities may stand for control
characters and full-width forms, and lines are compared when all else is done. There is no step for NFKC, because it
turns ，！？（） into ASCII.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from corpus_tools.errors import SettingsError, nearest
from corpus_tools.schema import Document, GivenSpan
from corpus_tools.text.edits import Edit, edited, moved, n_characters
from corpus_tools.text.html_leftovers import html_edits
from corpus_tools.text.read import Reject

LONG_LINE: Final = 8
"""Characters of a line that is taken for boilerplate where it stands often; 嗯。 and 他笑道： do so in any novel."""
MOST_REPEATS: Final = 5
"""Such a line stands at most so often in a document, else its first place alone is left."""

_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]+"
)
_LINE_ENDS: Final = frozenset("\r\x0b\x0c\x85\u2028\u2029")
_JOINERS: Final = ("\u200c", "\u200d")
_JOINED: Final = re.compile(r"[\u0620-\u109f\u1800-\u18af\u2190-\u2bff\ufe0f\U0001f000-\U0001faff]")
"""Emoji, and scripts that spell with joiners: Arabic, those of India, Mongolian."""

_WIDE: Final = re.compile(r"[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\u3000]+")
_NARROW: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}

_SPACES: Final = re.compile(r"[ \t\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_CHINESE: Final = re.compile(
    r"[\u3001-\u301f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
    r"\U00020000-\U0003ffff]"
)


def control_edits(text: str) -> list[Edit]:
    r"""Take out control characters, zero-width and bidirectional marks and soft hyphens; "\t" and "\n" stay.

    Every other line end ("\r\n", "\r", form feed, U+2028, ...) becomes "\n". A joiner between two emoji or two letters
    of a script that needs it stays, as do variation selectors.
    """
    edits = []
    for match in _CONTROL.finditer(text):
        start, end = match.span()
        if match[0] in _JOINERS and _JOINED.match(text, max(start - 1, 0)) and _JOINED.match(text, end):
            continue
        before_line_end = match[0].endswith("\r") and text.startswith("\n", end)
        n_line_ends = sum(character in _LINE_ENDS for character in match[0]) - before_line_end
        edits.append((start, end, "\n" * n_line_ends))
    return edits


def width_edits(text: str) -> list[Edit]:
    """Make full-width letters and digits and the full-width space ASCII. Punctuation stays as it is."""
    return [(match.start(), match.end(), match[0].translate(_NARROW)) for match in _WIDE.finditer(text)]


def space_edits(text: str) -> list[Edit]:
    """Take out spaces at both ends of a line and between two Chinese characters or marks; make other runs one space."""
    edits = []
    for match in _SPACES.finditer(text):
        start, end = match.span()
        at_edge = start == 0 or end == len(text) or text[start - 1] == "\n" or text[end] == "\n"
        new = "" if at_edge or (_CHINESE.match(text, start - 1) and _CHINESE.match(text, end)) else " "
        if match[0] != new:
            edits.append((start, end, new))
    return edits


def repeated_line_edits(text: str) -> list[Edit]:
    """Take out lines that repeat the line before, and all but the first of those that stand too often in the text.

    Lines are compared without white space at their ends; blank ones stay, and count as no line.
    """
    lines = text.split("\n")
    contents = [line.strip() for line in lines]
    times = Counter(contents)
    boilerplate = {line for line, n in times.items() if n > MOST_REPEATS and len(line) >= LONG_LINE}
    edits, at = [], 0
    before, seen = "", set[str]()
    for line, content in zip(lines, contents, strict=True):
        if content and (content == before or content in seen):
            edits.append((at - 1, at + len(line), ""))  # there is a line in front of it
        elif content:
            before = content
            if content in boilerplate:
                seen.add(content)
        at += len(line) + 1
    return edits


STEPS: Final[dict[str, Callable[[str], list[Edit]]]] = {
    "html": html_edits,
    "control": control_edits,
    "width": width_edits,
    "spaces": space_edits,
    "repeated_lines": repeated_line_edits,
}


class Cleaner:
    """Carries out some of the steps."""

    def __init__(self, steps: Iterable[str]) -> None:
        """Choose the steps by name.

        Raises:
            SettingsError: a name is unknown.
        """
        asked = set(steps)
        for name in sorted(asked - STEPS.keys()):
            raise SettingsError(f"clean: {name!r} is not known.{nearest(name, STEPS)}")
        self.steps: Final = tuple(name for name in STEPS if name in asked)

    def clean_all(self, found: Iterable[Document | Reject]) -> Iterator[Document | Reject]:
        """Yield documents clean, and a Reject for each of which nothing is left; pass on what was rejected."""
        for item in found:
            done = self.clean(item) if isinstance(item, Document) else item
            if isinstance(done, Document) and (not done.text or done.text.isspace()):
                done = Reject(done.id, done.source, "empty", "cleaning left nothing but white space")
            yield done

    def clean(self, document: Document) -> Document:
        """Return the document with its text clean, and its spans where they are now: empty, where nothing is left."""
        text = document.text
        done: dict[str, list[Edit]] = {}
        for name in self.steps:
            if edits := STEPS[name](text):
                done[name] = edits
                text = edited(text, edits)
        if not done:
            return document
        cleaned = {name: n_characters(edits) for name, edits in done.items()}
        return replace(document, text=text, cleaned=cleaned, spans=_moved(document.spans, done.values()))


def _moved(spans: tuple[GivenSpan, ...], all_edits: Iterable[list[Edit]]) -> tuple[GivenSpan, ...]:
    if not spans:
        return spans
    edges = np.array([span[:2] for span in spans], np.int64)
    for edits in all_edits:
        edges = moved(edges, edits)
    return tuple(span._replace(start=start, end=end) for span, (start, end) in zip(spans, edges.tolist(), strict=True))
