"""Sequences with words, entities, masks and guesses, drawn at random."""

from __future__ import annotations

import numpy as np

from cn_bert.report.guesses import Guesses
from corpus_tools.encode.vocabulary import SPECIALS, Vocabulary
from corpus_tools.masking.cut import Sequence
from corpus_tools.schema import ENTITY, IN_ENTITY, SPAN_DTYPE, SPECIAL, WORD

LETTERS = "春夏秋冬山水木石"
VOCABULARY = Vocabulary([*SPECIALS, *LETTERS, *(f"##{letter}" for letter in LETTERS)])
FIRST = len(SPECIALS)
KINDS = [{"name": "term", "mark": "phrase"}, {"name": "place", "mark": "entity"}, {"name": "person", "mark": "entity"}]


def draw_guesses(seed: int, n_sequences: int = 5, n_tokens: int = 40) -> Guesses:
    """Draw sequences of `[CLS] ... [SEP]` with words of 1 to 6 tokens, some spans, and 30 % of tokens to tell."""
    draw = np.random.default_rng(seed)
    length = n_tokens + 2
    ids = draw.integers(FIRST, VOCABULARY.size, n_sequences * length)
    flags = np.zeros(n_sequences * length, np.uint8)
    spans = []
    for start in range(0, n_sequences * length, length):
        flags[start] = flags[start + length - 1] = SPECIAL
        ids[start], ids[start + length - 1] = VOCABULARY.cls_id, VOCABULARY.sep_id
        place = start + int(draw.integers(1, 4))  # before it stands what is left of a word that began earlier
        while place < start + length - 1:
            flags[place] |= WORD
            end = min(place + int(draw.integers(1, 7)), start + length - 1)
            if draw.random() < 0.3:
                kind = int(draw.integers(len(KINDS)))
                spans.append((place, end, kind))
                if KINDS[kind]["mark"] == "entity":
                    flags[place:end] |= IN_ENTITY
                    flags[place] |= ENTITY
            place = end
    own = np.flatnonzero(flags & SPECIAL == 0)
    positions = np.sort(draw.choice(own, int(0.3 * len(own)), replace=False))
    right = draw.random(len(positions)) < 0.5
    guessed = np.where(right, ids[positions], draw.integers(FIRST, VOCABULARY.size, len(positions)))
    seen = ids.copy()
    seen[positions] = np.where(draw.random(len(positions)) < 0.8, VOCABULARY.mask_id, seen[positions])
    bounds = np.arange(n_sequences + 1) * length
    return Guesses(Sequence(ids, flags, np.array(spans, SPAN_DTYPE)), bounds, seen, positions, guessed, 1.5, step=4)
