"""How many faults the tests of this run have injected, by class; told at its end."""

from __future__ import annotations

from collections import Counter

INJECTED: Counter[str] = Counter()
