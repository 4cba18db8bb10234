"""Where paragraphs and sentences of a text begin and end, by its line ends and its punctuation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_CLOSING: Final = "”’」』）)】》〉"
_CONTINUING: Final = "，、,：:"
"""A sentence does not begin with one of these: 他说“好！”，就走了。 is one sentence."""

# A run of marks or dots, what it closes, and the white space behind: a sentence begins at its first character.
_END: Final = re.compile(rf"(?P<marks>[。！？｡!?；;….．]++)[{_CLOSING}]*+(?P<space>\s*+)(?![{_CONTINUING}])")

_FIRST_HAN: Final = "\u3400"
"""Chinese characters and full-width forms are from here on; what is below counts as Latin."""

_WORD_BEFORE: Final = re.compile(r"[A-Za-zÀ-ɏ0-9.]+$")
_LONGEST_ABBREVIATION: Final = 16
_ABBREVIATIONS: Final = re.compile(
    r"mrs?|ms|dr|prof|st|[js]r|nos?|vs|etc|al|figs?|eqs?|vol|pp|eds?|inc|ltd|co|corp|dept|univ|approx|cf|gen|col|lt|"
    r"sgt|rev|hon|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec",
    re.IGNORECASE,
)

Stretch = tuple[int, int]
"""Characters [start, end)."""


def paragraphs(text: str) -> list[Stretch]:
    r"""Return the lines of a text without their "\n", blank ones left out. [paragraphs]"""
    found = []
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if not text[start:end].isspace() and start < end:
            found.append((start, end))
        start = end + 1
    return found


def sentences(text: str) -> list[Stretch]:
    """Return sentences that tile each paragraph, the white space between them at the end of the first. [sentences]

    A sentence ends after a run of 。！？｡；… or !?;, after three dots and more, and after a full stop that ends a Latin
    sentence or stands between Chinese characters; closing quotes and brackets stay with it. Straight quotes may open
    as well as close and are not moved.
    """
    return [stretch for start, end in paragraphs(text) for stretch in _sentences(text, start, end)]


def _sentences(text: str, start: int, end: int) -> Iterator[Stretch]:
    for match in _END.finditer(text, start, end):
        if match.end() < end and _ends_sentence(text, match):
            yield start, match.end()
            start = match.end()
    yield start, end


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    """Judge marks by what stands around them; some text of the paragraph follows."""
    marks, after = match["marks"], text[match.end()]
    before = text[max(0, match.start() - _LONGEST_ABBREVIATION) : match.start()]
    if marks in (".", "．"):
        return _is_full_stop(before, bool(match["space"]), after)
    if marks == "..":
        return False
    # "a?b=1" and "x!=y" are no two sentences, "真的?OK" is.
    return not (marks.isascii() and before[-1:].isascii() and after.isascii() and not match["space"])


def _is_full_stop(before: str, space: bool, after: str) -> bool:
    """Tell the dot that ends a sentence from those within numbers, names and addresses.

    Args:
        before: the last characters before the dot.
        space: whether white space follows it.
        after: the first character behind that.
    """
    if before[-1:] >= _FIRST_HAN:
        return space or after.isupper() or (after >= _FIRST_HAN and not after.isdigit())
    return space and not after.islower() and _ends_latin_word(before)


def _ends_latin_word(before: str) -> bool:
    """Tell the full stop of "in 2020." and "the end)." from those of "U.S.", "J.", "No." and the "1." of a list."""
    match = _WORD_BEFORE.search(before)
    if match is None:
        return before != "" and not before[-1].isspace()
    if match[0].isdigit():
        return match.start() > 0 and before[match.start() - 1] != "\n"
    last = match[0].rpartition(".")[2]
    return len(last) > 1 and not _ABBREVIATIONS.fullmatch(match[0])
