"""Paragraphs and sentences by regular expressions: the slow twin of the compiled marking."""

from __future__ import annotations

import re
from itertools import pairwise

CLOSING = "”’」』）)】》〉〕]"
CONTINUING = "，、,：:"
PAIRS = ["“”", "‘’", "「」", "『』", "（）", "()", "【】", "《》", "〈〉", "〔〕", "[]"]
END = re.compile(
    rf"(?P<marks>[。！？｡!?；;….．]++)(?P<closing>[{re.escape(CLOSING)}]*+)(?P<space>\s*+)(?![{CONTINUING}])"
)
WORD_BEFORE = re.compile(r"[A-Za-zÀ-ɏ0-9.]+\Z")
ABBREVIATIONS = re.compile(
    r"mrs?|ms|dr|prof|st|[js]r|nos?|vs|etc|al|figs?|eqs?|vol|pp|eds?|inc|ltd|co|corp|dept|univ|approx|cf|gen|col|lt|"
    r"sgt|rev|hon|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec",
    re.IGNORECASE,
)


def paragraphs(text):
    """Lines without their ends, blank ones left out, as (start, end)."""
    found, start = [], 0
    for line in text.split("\n"):
        if line and not line.isspace():
            found.append((start, start + len(line)))
        start += len(line) + 1
    return found


def sentences(text, word_starts, longest_sentence=512, longest_quote=200):
    """Sentences as (start, end); together they are the paragraphs."""
    found = []
    for start, end in paragraphs(text):
        cuts = [start, *cuts_of(text, start, end, longest_quote), end]
        for first, last in pairwise(cuts):
            found += cut_long(text, first, last, set(word_starts), longest_sentence)
    return found


def cuts_of(text, start, end, longest_quote):
    kept = quotes(text, start, end, longest_quote)
    for match in END.finditer(text, start, end):
        closed = match.end("closing")
        if match.end() < end and ends_sentence(text, match) and not any(a < closed < b for a, b in kept):
            yield match.end()


def quotes(text, start, end, longest):
    """The outermost quotations and brackets."""
    found, at = [], start
    partners = dict(PAIRS)
    while at < end:
        if text[at] in partners:
            depth = 0
            for place in range(at, min(end, at + longest)):
                depth += (text[place] == text[at]) - (text[place] == partners[text[at]])
                if depth == 0:
                    found.append((at, place + 1))
                    at = place
                    break
        at += 1
    return found


def ends_sentence(text, match):
    marks, after = match["marks"], text[match.end()]
    before = text[max(0, match.start() - 16) : match.start()]
    if marks in (".", "．"):
        return is_full_stop(before, bool(match["space"]), after)
    if marks == "..":
        return False
    return not (marks.isascii() and before[-1:].isascii() and after.isascii() and not match["space"])


def is_full_stop(before, space, after):
    if before[-1:] >= "\u3400":
        return space or after.isupper() or (after >= "\u3400" and not after.isdigit())
    return space and not after.islower() and ends_latin_word(before)


def ends_latin_word(before):
    match = WORD_BEFORE.search(before)
    if match is None:
        return before != "" and not before[-1].isspace()
    if match[0].isdigit():
        return match.start() > 0 and before[match.start() - 1] != "\n"
    last = match[0].rpartition(".")[2]
    return len(last) > 1 and not ABBREVIATIONS.fullmatch(match[0])


def cut_long(text, start, end, word_starts, longest):
    """Cut a sentence into pieces of at most `longest` characters, where it can be between two words."""
    while end - start > longest:
        places = [place for place in range(start + longest, start + longest // 2, -1) if place in word_starts]
        commas = [p for p in places if (text[p - 1] in CONTINUING or text[p - 1].isspace()) and not text[p].isspace()]
        cut = (commas or places or [start + longest])[0]
        yield start, cut
        start = cut
    yield start, end
