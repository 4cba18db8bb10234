"""Where words, sentences and spans of characters lie among the tokens, by offsets alone.

Letters: C characters of the text, L tokens. Nothing is searched for in the text: positions in it are the common
language of segmenter, span finder and tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from corpus_tools.encode.tokenize import Tokens
from corpus_tools.schema import (
    ENTITY,
    IN_ENTITY,
    IN_PHRASE,
    NO_SPANS,
    PHRASE,
    SPAN_DTYPE,
    Bools,
    Flags,
    Offsets,
    Spans,
    TextSpan,
)

INSIDE_TOKEN: Final = "inside_token"
"""The span begins or ends within a token."""
NO_TOKEN: Final = "no_token"
"""None of the span's characters has a token."""

START_BITS: Final = {"entity": ENTITY, "phrase": PHRASE}
INSIDE_BITS: Final = {"entity": IN_ENTITY, "phrase": IN_PHRASE}


def word_starts(tokens: Tokens, starts: Offsets, n_chars: int) -> tuple[Bools, int]:
    """Say which tokens start a word: those whose first character is of another word than the character before them.

    "The character before" is the last one of the previous token. So a token that straddles two words joins them, and
    several tokens of one character stay in its word.

    Args:
        tokens: the tokens of the text.
        starts: where words start, ascending, the first at 0.
        n_chars: C.

    Returns:
        which tokens start a word [L], and how many straddle a word boundary.
    """
    if not len(tokens.ids):
        return np.zeros(0, np.bool_), 0
    opens = np.zeros(n_chars, np.int32)
    opens[starts] = 1
    word_of = np.cumsum(opens, dtype=np.int32)
    first = word_of[tokens.begins]
    last = word_of[np.maximum(tokens.ends - 1, tokens.begins)]
    begins_word = np.ones(len(first), np.bool_)
    begins_word[1:] = first[1:] != last[:-1]
    return begins_word, int(np.count_nonzero(first != last))


def first_tokens(tokens: Tokens, starts: Iterable[int]) -> Offsets:
    """Return the first token at or after each start, without those that have none."""
    found = np.searchsorted(tokens.begins, np.fromiter(starts, np.int64), side="left")
    return found[found < len(tokens.begins)]


def token_spans(
    tokens: Tokens, spans: Sequence[TextSpan], number_of: Mapping[tuple[str, str], int]
) -> tuple[Spans, dict[str, int]]:
    """Turn spans of characters into spans of tokens, sorted by start, then end.

    A span is rejected where one of its edges lies within a token, or where none of its characters has one.

    Args:
        tokens: the tokens of the text.
        spans: any number of spans of it.
        number_of: (kind, mark) to kind number.

    Returns:
        the spans over tokens, and the number rejected by reason.
    """
    if not spans:
        return NO_SPANS, {}
    edges = np.array([(span.start, span.end) for span in spans], np.int64)
    # Tokens [start, end) are those that begin within the span.
    start, end = np.searchsorted(tokens.begins, edges.T, side="left")
    ends_by = np.concatenate(([0], tokens.ends))  # ends_by[i]: where the tokens before i end
    inside_token = (ends_by[start] > edges[:, 0]) | (ends_by[end] > edges[:, 1])
    no_token = (start == end) & ~inside_token
    kept = ~inside_token & ~no_token

    found = np.zeros(int(np.count_nonzero(kept)), SPAN_DTYPE)
    kinds = np.array([number_of[span.kind, span.mark] for span in spans], np.uint8)
    found["start"], found["end"], found["kind"] = start[kept], end[kept], kinds[kept]
    rejected = {INSIDE_TOKEN: int(np.count_nonzero(inside_token)), NO_TOKEN: int(np.count_nonzero(no_token))}
    return np.sort(found, order=("start", "end", "kind")), {reason: n for reason, n in rejected.items() if n}


def mark_spans(flags: Flags, spans: Spans, mark_of: Mapping[int, str]) -> None:
    """Set the start and inside bits of every span in `flags` [L]. `mark_of`: kind number to "entity" or "phrase"."""
    for start, end, kind in spans.tolist():
        mark = mark_of[kind]
        flags[start:end] |= INSIDE_BITS[mark]
        flags[start] |= START_BITS[mark]
