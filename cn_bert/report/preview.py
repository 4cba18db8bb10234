"""Held-out sequences as a reader sees them, with the model's guess under every token it had to tell.

Right and wrong differ in sign and in colour; what the model was given instead of a token is told by how it is framed.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cn_bert.report.guesses import Guesses
from corpus_tools.encode.vocabulary import Vocabulary
from corpus_tools.markup import Html, clip, join, tag, visible
from corpus_tools.report import Section
from corpus_tools.schema import SPECIAL, WORD

MOST_SEQUENCES: Final = 6
MOST_TOKENS: Final = 160
"""Of a sequence; the page has to be read, not stored."""
MOST_TOKEN: Final = 16
"""Characters that are shown of a token."""

STYLE: Final = """
.guessed { line-height: 3; max-width: 46rem; overflow-wrap: anywhere; margin-bottom: 1.4rem; }
.guessed ruby { ruby-position: under; margin: 0 .12em; }
.guessed rt { font-size: .72em; line-height: 1.5; }
.guessed .special { color: var(--soft); font-size: .76em; }
.seen { display: inline-block; line-height: 1.45; padding: 0 .18em; border-radius: 4px; }
.seen.mask { background: var(--panel); border: 1px solid var(--soft); }
.seen.random { border: 1px dashed var(--soft); }
.seen.random s { color: var(--soft); font-size: .8em; margin-right: .15em; }
.seen.keep { border-bottom: 2px solid var(--soft); border-radius: 0; padding: 0; }
.right { color: #00795a; } .wrong { color: #b3261e; }
@media (max-width: 40rem) { figure { overflow-x: auto; } figure .chart { min-width: 34rem; } }
@media (prefers-color-scheme: dark) { .right { color: #4cc9a0; } .wrong { color: #ff8a80; } }
"""


def preview(guesses: Guesses, vocabulary: Vocabulary) -> Section:
    """Show some sequences, spread over those that were looked at."""
    n = len(guesses.bounds) - 1
    chosen = sorted({int(place) for place in np.linspace(0, n - 1, min(n, MOST_SEQUENCES))})
    shown = [_sequence(guesses, number, vocabulary) for number in chosen]
    return Section("Masks and guesses", [_legend(), *shown])


def _legend() -> Html:
    return tag(
        "p",
        "Under each token that was to be told stands the model's best guess: ",
        tag("span", "✓ right", class_="right"),
        " or ",
        tag("span", "✗ wrong", class_="wrong"),
        ". The model saw ",
        tag("span", "[MASK]", class_="seen mask"),
        " in place of a framed token, the struck one in a ",
        tag("span", tag("s", "dashed"), "frame", class_="seen random"),
        ", and the token itself where it is ",
        tag("span", "underlined", class_="seen keep"),
        ". A space stands before each word.",
    )


def _sequence(guesses: Guesses, number: int, vocabulary: Vocabulary) -> Html:
    start, end = (int(bound) for bound in guesses.bounds[number : number + 2])
    last = min(end, start + MOST_TOKENS)
    told = dict(zip(guesses.positions.tolist(), guesses.guessed.tolist(), strict=True))
    parts: list[Html | str] = []
    for place in range(start, last):
        flag = int(guesses.text.flags[place])
        if place > start and flag & (WORD | SPECIAL):
            parts.append(" ")
        parts.append(_token(guesses, place, told, vocabulary))
    return tag("p", *parts, " …" if last < end else "", class_="guessed", lang="zh")


def _token(guesses: Guesses, place: int, told: dict[int, int], vocabulary: Vocabulary) -> Html:
    own, seen = int(guesses.text.ids[place]), int(guesses.seen[place])
    text = _shown(own, vocabulary)
    if place not in told:
        special = bool(guesses.text.flags[place] & SPECIAL)
        return tag("span", text, class_="special") if special else join(text)
    right = told[place] == own
    guess = tag("rt", f"{'✓' if right else '✗'}{_shown(told[place], vocabulary)}", class_="right" if right else "wrong")
    if seen == vocabulary.mask_id:
        given = tag("span", text, class_="seen mask")
    elif seen == own:
        given = tag("span", text, class_="seen keep")
    else:
        given = tag("span", tag("s", _shown(seen, vocabulary)), text, class_="seen random")
    return tag("ruby", given, guess)


def _shown(token: int, vocabulary: Vocabulary) -> str:
    return clip(visible(vocabulary.tokens[token].removeprefix("##")), MOST_TOKEN)
