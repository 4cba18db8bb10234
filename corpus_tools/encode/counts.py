"""What a build counts, one object per batch, summed up to the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from corpus_tools.spans.given import UNDECLARED

LONGEST_WORD: Final = 10
"""Words of more tokens or characters are counted together."""

MAX_UNDECLARED: Final = 100
"""Names of undeclared kinds that are kept; those behind them in the alphabet are counted together, under no name."""


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
    unknown_characters: Counter[str] = field(default_factory=Counter)
    """Behind [UNK]: characters without a token. Every one, never the commonest alone: of two lists that were cut off no
    exact sum can be made, and there are no more characters than Unicode has."""
    straddling_tokens: int = 0
    """Tokens that stand for characters of more than one word."""
    long_runs_cut: int = 0
    """Places where a run without a break was cut before segmenting."""
    replaced_characters: int = 0
    """U+FFFD that were put in place of wrong bytes."""
    entities: Counter[str] = field(default_factory=Counter)
    """By kind."""
    phrases: Counter[str] = field(default_factory=Counter)
    """By kind."""
    cleaned_documents: Counter[str] = field(default_factory=Counter)
    """That a step of cleaning has changed, by step."""
    cleaned_characters: Counter[str] = field(default_factory=Counter)
    """That it has taken out, replaced or put in."""
    simplified_singly: int = 0
    """Characters whose simplified form was taken one by one, because their line's has another length."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Matches and given spans that were not marked, or not as they were given, by reason."""
    entity_tokens: Counter[str] = field(default_factory=Counter)
    """Tokens in entities, by kind. No two entities overlap, so the sum is the tokens in any."""
    phrase_tokens: Counter[str] = field(default_factory=Counter)
    """Tokens in phrases, by kind."""
    documents_by_tokens: Counter[str] = field(default_factory=Counter)
    """By the power of two that their tokens reach at most: under "8" those of 5 to 8."""
    sentences_by_tokens: Counter[str] = field(default_factory=Counter)
    """As the documents."""
    words_by_tokens: Counter[str] = field(default_factory=Counter)
    """By their tokens; under "10" those of 10 or more."""
    words_by_characters: Counter[str] = field(default_factory=Counter)
    """By their characters, from the first of their first token to the last of their last one; as by tokens."""

    def add(self, other: Counts) -> None:
        """Add another batch's sums to these."""
        for each in fields(self):
            ours, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(ours, Counter):
                ours.update(theirs)
            else:
                setattr(self, each.name, ours + theirs)
        self._shorten_rejected()

    def _shorten_rejected(self) -> None:
        """Keep few names of undeclared kinds: whatever stands in an input may have been taken for one.

        The first of the alphabet are the same ones whatever was added up first.
        """
        names = sorted(reason for reason in self.rejected if reason.startswith(UNDECLARED) and reason != UNDECLARED)
        for reason in names[MAX_UNDECLARED:]:
            self.rejected[UNDECLARED] += self.rejected.pop(reason)

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
