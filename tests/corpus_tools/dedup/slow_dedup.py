"""Duplicates as one would write them down: every pair of documents, with Python's sets."""

from __future__ import annotations

import unicodedata
from itertools import combinations


def compared_text(text):
    """The letters and digits of a text in one form."""
    forms = [unicodedata.normalize("NFKC", character).lower() for character in text if character.isalnum()]
    kept = [character for character in text if character.isalnum()]
    return "".join(form if len(form) == 1 else character for form, character in zip(forms, kept, strict=True))


def shingles_of(text, size=5):
    kept = compared_text(text)
    return {kept[at : at + size] for at in range(max(1, len(kept) - size + 1))} if kept else set()


def jaccard(one, other):
    a, b = shingles_of(one), shingles_of(other)
    return len(a & b) / len(a | b) if a | b else 0.0


def kept_of_each(texts, near):
    """The number of the document that is kept for each: the first of its cluster."""
    kept = list(range(len(texts)))
    for one, other in combinations(range(len(texts)), 2):
        same = (compared_text(texts[one]) or texts[one]) == (compared_text(texts[other]) or texts[other])
        if same or jaccard(texts[one], texts[other]) >= near:
            first, second = sorted((kept[one], kept[other]))
            kept = [first if each == second else each for each in kept]
    return kept
