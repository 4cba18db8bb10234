"""Phrases as one would write them down: counters of tuples of words."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise


def parts_of(texts, segment):
    """Runs of words made of letters, of at most 30 characters each."""
    for text in texts:
        part = []
        for word in [*segment(text), "\n"]:
            if word.isalpha() and len(word) <= 30:
                part.append(word)
            elif part:
                yield part
                part = []


def slow_phrases(texts, segment, min_count, min_pmi, min_entropy, max_words):
    """(text, count, PMI, left entropy, right entropy) of each phrase, in the order of the list."""
    counts, neighbours, n_words = Counter(), defaultdict(Counter), 0
    for part in parts_of(texts, segment):
        n_words += len(part)
        for first in range(len(part)):
            for end in range(first + 1, min(first + max_words, len(part)) + 1):
                phrase = tuple(part[first:end])
                counts[phrase] += 1
                # An edge is a neighbour like no other: a new object each time.
                neighbours["left", phrase][part[first - 1] if first else object()] += 1
                neighbours["right", phrase][part[end] if end < len(part) else object()] += 1
    rows = []
    for phrase, count in counts.items():
        if len(phrase) < 2 or count < min_count:
            continue
        splits = [(phrase[:k], phrase[k:]) for k in range(1, len(phrase))]
        pmi = min(math.log2(count * n_words / (counts[head] * counts[tail])) for head, tail in splits)
        left, right = (entropy(neighbours[side, phrase]) for side in ("left", "right"))
        if pmi >= min_pmi and min(left, right) >= min_entropy:
            rows.append(("".join(phrase), count, pmi, left, right))
    rows.sort(key=lambda row: (-round(math.log2(row[1]) * row[2], 6), row[0]))
    best = {}
    for row in rows:
        best.setdefault(row[0], row)
    return list(best.values())


def entropy(found):
    total = found.total()
    return -sum(count / total * math.log2(count / total) for count in found.values())


def spaces_between(text):
    """Segment as `presegmented` does."""
    words, last = [], 0
    for here, (one, other) in enumerate(pairwise(text), start=1):
        if one.isspace() != other.isspace():
            words.append(text[last:here])
            last = here
    return [*words, text[last:]] if text else []
