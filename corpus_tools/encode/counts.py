"""What a build counts, one object per batch, summed up to the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Counts:
    """Sums over encoded documents. Everything is of documents that were kept."""

    documents: int = 0
    characters: int = 0
    bytes: int = 0
    """Of the text as UTF-8."""
    tokens: int = 0
    words: int = 0
    """Word starts among the tokens: words that tokens straddle count as one."""
    sentences: int = 0
    unknown_tokens: int = 0
    """[UNK]."""
    straddling_tokens: int = 0
    """Tokens that stand for characters of more than one word."""
    long_runs_cut: int = 0
    """Places where a run without a break was cut before segmenting."""
    entities: Counter[str] = field(default_factory=Counter)
    """By kind."""
    phrases: Counter[str] = field(default_factory=Counter)
    """By kind."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Matches of lists and tags that were not marked, by reason."""

    def add(self, other: Counts) -> None:
        """Add another batch's sums to these."""
        for each in fields(self):
            ours, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(ours, Counter):
                ours.update(theirs)
            else:
                setattr(self, each.name, ours + theirs)

    def to_json(self) -> dict[str, Any]:
        """Return the sums as plain JSON values, kinds and reasons in order of the alphabet."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: dict(sorted(v.items())) if isinstance(v, Counter) else v for name, v in values.items()}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Counts:
        """Read what `to_json` returned. Unknown names are left out."""
        made = cls()
        for each in fields(cls):
            value = saved.get(each.name, getattr(made, each.name))
            setattr(made, each.name, Counter(value) if isinstance(value, dict) else value)
        return made
