"""Sequences as a person reads them: tokens apart by words, phrases, entities, and masks drawn by one or more maskings.

`preview_terminal` prints them and `preview_page` writes them as HTML. The text is a stranger's: what acts on a terminal
or a browser is written as its code point, and what is too long to be looked at is cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from rich.cells import cell_len

from corpus_tools.draw import Key, integers, uniforms
from corpus_tools.encode.vocabulary import Vocabulary
from corpus_tools.errors import SettingsError
from corpus_tools.markup import clip, visible
from corpus_tools.masking import Masker
from corpus_tools.masking.cut import Sequence, sequence_of, stretches
from corpus_tools.schema import SPECIAL, WORD
from corpus_tools.shards.read import ShardReader

Outcome = Literal["mask", "random", "keep"]

MEANINGS: Final[dict[Outcome, str]] = {
    "mask": "it becomes [MASK]",
    "random": "it becomes that one",
    "keep": "it stays",
}

MOST_TOKEN: Final = 32
MOST_KIND: Final = 16
MOST_TITLE: Final = 160
"""Characters that are shown of a token, of a kind's name, and of an id or a source."""

_EPOCH: Final = 0
_WHICH_DOCUMENTS, _WHICH_STRETCH = 1, 2
"""The purposes of the draws that choose what is shown."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is shown."""

    text: str
    """Its characters, without `##`."""
    spaced: bool
    """A word begins here, so a space is shown before it."""
    special: bool
    """[CLS] or [SEP]."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A phrase or an entity: tokens [start, end)."""

    start: int
    end: int
    kind: int
    name: str
    """Of the kind."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a masking made of a token that it chose."""

    outcome: Outcome
    text: str
    """What the model sees; empty for [MASK]."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A sequence as it is shown."""

    title: str
    source: str
    tokens: list[Token]
    phrases: list[Marked]
    entities: list[Marked]
    masks: dict[str, dict[int, Chosen]]
    """By the name of the masking: the chosen tokens by their place."""

    def widths(self) -> list[int]:
        """Return the columns of a terminal that each token takes: its own or those of what replaces it."""
        widths = [max(1, cell_len(token.text)) for token in self.tokens]
        for mask in self.masks.values():
            for place, chosen in mask.items():
                widths[place] = max(widths[place], cell_len(chosen.text))
        return widths

    @property
    def summary(self) -> str:
        """Say where it is from and what became of its tokens."""
        parts = [self.source, f"{len(self.tokens)} tokens"]
        for name, mask in self.masks.items():
            outcomes = [chosen.outcome for chosen in mask.values()]
            counts = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in MEANINGS)
            parts.append(f"{name}: {len(mask)} to predict, {counts}")
        return " · ".join(parts)


def sample(
    reader: ShardReader, maskers: Mapping[str, Masker], n: int = 20, seed: int = 0, row_tokens: int = 512
) -> Iterator[Shown]:
    """Yield up to `n` masked sequences, each of another document, spread evenly over the folder.

    Every masking draws under the same key (seed, 0, number of the sequence).

    Args:
        reader: the documents.
        maskers: by the name they are shown under.
        n: sequences to show.
        seed: of the draws.
        row_tokens: the most tokens of a sequence, [CLS] and [SEP] counted.

    Raises:
        SettingsError: `n` is below 1, or `row_tokens` leaves no room beside [CLS] and [SEP].
    """
    if n < 1:
        raise SettingsError(f"n: {n} sequences to show; 1 is the least")
    n = min(n, len(reader))
    vocabulary = reader.vocabulary
    # One document out of each of n equal parts of the folder.
    places = (np.arange(n) + uniforms((seed, _WHICH_DOCUMENTS), n)) * len(reader) / max(n, 1)
    for number, place in enumerate(places.astype(np.int64).tolist()):
        document = reader.document(place)
        parts = stretches(len(document.ids), row_tokens)
        start, end = parts[int(integers((seed, _WHICH_STRETCH, number), 1, len(parts))[0])]
        sequence = sequence_of(document, start, end, vocabulary.cls_id, vocabulary.sep_id)
        where = "" if len(parts) == 1 else f", tokens {start:,} to {end:,}"
        key = (seed, _EPOCH, number)
        yield Shown(
            title=_short(document.id, MOST_TITLE) + where,
            source=_short(document.source, MOST_TITLE),
            tokens=_tokens(sequence, vocabulary),
            phrases=_marked(sequence, reader.kinds, "phrase"),
            entities=_marked(sequence, reader.kinds, "entity"),
            masks={visible(name): _chosen(sequence, masker, key, vocabulary) for name, masker in maskers.items()},
        )


def hue(kind: int) -> int:
    """Return a kind's hue in degrees: steps of the golden angle keep any number of kinds apart."""
    return round(210 + 137.508 * kind) % 360


def _short(text: str, most: int) -> str:
    return clip(visible(text), most)


def _tokens(sequence: Sequence, vocabulary: Vocabulary) -> list[Token]:
    return [
        Token(
            text=_short(vocabulary.tokens[id].removeprefix("##"), MOST_TOKEN),
            spaced=place > 0 and bool(flag & (WORD | SPECIAL)),
            special=bool(flag & SPECIAL),
        )
        for place, (id, flag) in enumerate(zip(sequence.ids.tolist(), sequence.flags.tolist(), strict=True))
    ]


def _marked(sequence: Sequence, kinds: list[dict[str, str]], mark: str) -> list[Marked]:
    return [
        Marked(start, end, kind, _short(kinds[kind]["name"], MOST_KIND))
        for start, end, kind in sequence.spans.tolist()
        if kinds[kind]["mark"] == mark
    ]


def _chosen(sequence: Sequence, masker: Masker, key: Key, vocabulary: Vocabulary) -> dict[int, Chosen]:
    drawn = masker.draw(sequence.ids, sequence.flags, sequence.spans, key)
    found = {}
    for place in np.flatnonzero(drawn.chosen).tolist():
        before, after = int(sequence.ids[place]), int(drawn.ids[place])
        if after == vocabulary.mask_id:
            found[place] = Chosen("mask", "")
        elif after == before:
            found[place] = Chosen("keep", _short(vocabulary.tokens[after].removeprefix("##"), MOST_TOKEN))
        else:
            found[place] = Chosen("random", _short(vocabulary.tokens[after], MOST_TOKEN))
    return found
