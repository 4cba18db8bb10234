"""Marked text in columns, as entity corpora are: a token a line, its tag last, blank lines between sentences.

Columns are apart by a tab, or by spaces where a line has no tab. The tags may be IOB, BIO, BIOES, BMES or BILOU; which
of them need not be told, because a letter means the same in all that have it.

Source: the shared task CoNLL-2003 for the format; its script conlleval for how a broken sequence of tags is read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from corpus_tools.schema import GivenSpan
from corpus_tools.text.encodings import UTF8, is_blank
from corpus_tools.text.lines import Line, whole_file

DOCUMENT_LINE: Final = b"-DOCSTART-"
"""A line that begins so stands where a document begins, and is no part of it."""

BAD_TAG: Final = "bad_tag"
"""It is neither O nor a letter of a scheme with a kind: its token is in no span."""
REPAIRED_TAG: Final = "repaired_tag"
"""It goes on with a span where there is none of its kind: it begins one."""

_TAG: Final = re.compile(r"([BSUIMEL])[-_](.+)")
_BEGINS: Final = "BSU"
_ENDS: Final = "SUEL"


def documents_of_columns(lines: Iterable[Line], max_bytes: int, n_sentences: int, codec: str = UTF8) -> Iterator[Line]:
    """Join lines into documents; each is at its first line.

    Args:
        lines: those of a file.
        max_bytes: of a document; a longer one comes out as None.
        n_sentences: a document ends after so many, and before a DOCUMENT_LINE in any case; 0: there alone.
        codec: of the lines.
    """
    for _, part in groupby(_numbered(lines, n_sentences, codec), itemgetter(0)):
        yield from whole_file((line for _, line in part), max_bytes)


def _numbered(lines: Iterable[Line], n_sentences: int, codec: str) -> Iterator[tuple[int, Line]]:
    """Yield the number of its document with each line that belongs to one; a sentence's blank line does."""
    document = n_ended = 0
    inside = False
    for line in lines:
        content = line[1]
        if content is not None and content.startswith(DOCUMENT_LINE):
            document, n_ended, inside = document + 1, 0, False
        elif content is None or not is_blank(content, codec):
            inside = True
            yield document, line
        elif inside:
            inside = False
            yield document, line
            n_ended += 1
            if n_ended == n_sentences:
                document, n_ended = document + 1, 0


def marked_columns(block: str) -> tuple[str, tuple[GivenSpan, ...], Counter[str]]:
    """Join the tokens of a document to its text.

    Chinese tokens follow each other. A space stands between two tokens that meet in Latin letters or digits, except
    where both are single characters: then the file has a character a line. A sentence is a line of the text.

    Returns:
        The text, the spans that the tags say, and how many tags are faulty, by reason.
    """
    parts: list[str] = []
    spans: list[GivenSpan] = []
    faults = Counter[str]()
    place = 0
    for rows in _sentences(block):
        if parts:
            parts.append("\n")
            place += 1
        edges = []
        before = ""
        for token, _ in rows:
            gap = " " if _apart(before, token) else ""
            begin = place + len(gap)
            place = begin + len(token)
            parts += (gap, token)
            edges.append((begin, place))
            before = token
        for first, last, kind in _tagged([tag for _, tag in rows], faults):
            spans.append(GivenSpan(edges[first][0], edges[last][1], kind))
    return "".join(parts), tuple(spans), faults


def _sentences(block: str) -> Iterator[list[tuple[str, str]]]:
    """Yield (token, tag) of each line, sentence by sentence; the tag is "" where there is none."""
    rows: list[tuple[str, str]] = []
    for line in block.split("\n"):
        if line.strip():
            columns = line.rstrip().split("\t" if "\t" in line else " ")
            # A blank is a token of its own in data with a character a line.
            rows.append((columns[0] or " ", columns[-1] if len(columns) > 1 else ""))
        elif rows:
            yield rows
            rows = []
    if rows:
        yield rows


def _apart(left: str, right: str) -> bool:
    edges = left[-1:] + right[0]
    return len(edges) == 2 and edges.isascii() and edges.isalnum() and len(left) + len(right) > 2


def _tagged(tags: Sequence[str], faults: Counter[str]) -> Iterator[tuple[int, int, str]]:
    """Yield (first, last, kind) of the tokens of each span, the last included."""
    first, kind = 0, ""  # of the span that is not yet ended; there is none where the kind is ""
    for at, tag in enumerate(tags):
        match = _TAG.fullmatch(tag)
        letter, told = match.groups() if match else ("O", "")
        if kind and (kind != told or letter in _BEGINS):
            yield first, at - 1, kind
            kind = ""
        if not match and tag != "O":
            faults[BAD_TAG] += 1
        if told and not kind:
            first, kind = at, told
            if letter not in _BEGINS:
                faults[REPAIRED_TAG] += 1
        if letter in _ENDS:
            yield first, at, kind
            kind = ""
    if kind:
        yield first, len(tags) - 1, kind
