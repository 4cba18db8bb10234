"""Where words, sentences, paragraphs and spans of characters lie among the tokens, by offsets alone.

Nothing is searched for in the text: places in it are the common language of segmenters, span finders and tokenizer.
Letters: C characters of a batch, D texts, L tokens, S spans.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.encode.tokenize import Tokens
from corpus_tools.schema import (
    ENTITY,
    IN_ENTITY,
    IN_PHRASE,
    PARAGRAPH,
    PHRASE,
    SENTENCE,
    WORD,
    Flags,
    Offsets,
)

INSIDE_TOKEN: Final = "inside_token"
"""The span begins or ends within a token."""
NO_TOKEN: Final = "no_token"
"""None of the span's characters has a token."""

START_BITS: Final = {"entity": ENTITY, "phrase": PHRASE}
INSIDE_BITS: Final = {"entity": IN_ENTITY, "phrase": IN_PHRASE}


def flag_tokens(marks: Flags, tokens: Tokens) -> tuple[Flags, int]:
    """Carry the marks of characters over to the tokens.

    A token starts a word if a word starts behind the last character of the token before it and up to its own first one.
    So a token that straddles two words joins them, and several tokens of one character stay in its word. It starts a
    sentence or a paragraph if one starts behind the first character of the token before and up to its own. The first
    token of a text starts all three.

    Args:
        marks: WORD, SENTENCE and PARAGRAPH where one begins. [C]
        tokens: the tokens of the batch.

    Returns:
        The flags of the tokens [L], and how many of them straddle a word boundary.
    """
    flags = np.zeros(len(tokens.ids), np.uint8)
    straddling = _flag_tokens(marks, tokens.begins, tokens.ends, tokens.bounds, flags)
    return flags, straddling


@compiled
def _flag_tokens(marks: Flags, begins: Offsets, ends: Offsets, bounds: Offsets, flags: Flags) -> int:
    straddling = 0
    for text in range(len(bounds) - 1):
        for token in range(bounds[text], bounds[text + 1]):
            begin, end = begins[token], ends[token]
            found = 0
            if token == bounds[text]:
                found = WORD | SENTENCE | PARAGRAPH
            else:
                for place in range(begins[token - 1] + 1, begin + 1):
                    found |= marks[place] & (SENTENCE | PARAGRAPH)
                for place in range(max(ends[token - 1], begins[token - 1] + 1), begin + 1):
                    found |= marks[place] & WORD
            flags[token] = found
            for place in range(begin + 1, end):
                if marks[place] & WORD:
                    straddling += 1
                    break
    return straddling


def token_spans(
    tokens: Tokens, starts: Offsets, ends: Offsets
) -> tuple[Offsets, Offsets, dict[str, npt.NDArray[np.bool_]]]:
    """Turn spans of characters into spans of tokens.

    A span is rejected where one of its edges lies within a token, or where none of its characters has one.

    Args:
        tokens: the tokens of the batch.
        starts, ends: spans of characters of the batch, none across two texts. [S]

    Returns:
        The first token of each span and the one behind its last, [S] each, and which spans are rejected, by reason.
    """
    # Tokens [first, last) are those that begin within the span.
    first, last = np.searchsorted(tokens.begins, np.stack((starts, ends)), side="left")
    ends_by = np.concatenate((np.zeros(1, np.int64), tokens.ends))  # ends_by[i]: where the tokens before i end
    inside_token = (ends_by[first] > starts) | (ends_by[last] > ends)
    return first, last, {INSIDE_TOKEN: inside_token, NO_TOKEN: (first == last) & ~inside_token}


@compiled
def mark_spans(flags: Flags, first: Offsets, last: Offsets, start_bits: Flags, inside_bits: Flags) -> None:
    """Set the start and inside bits of every span of tokens [first, last) in `flags` [L]. The other arrays are [S]."""
    for span in range(len(first)):
        for token in range(first[span], last[span]):
            flags[token] |= inside_bits[span]
        flags[first[span]] |= start_bits[span]
