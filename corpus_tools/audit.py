"""Measure what a masking really does to a shard folder: its rate, its replacements, and every promise it makes.

All is counted from outcomes, the ids before and after, not from what the masker says it did. Units come from the
strategy; words, phrases and entities are counted a second time from the marks themselves.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from corpus_tools.errors import DataError
from corpus_tools.masking import Drawn, Masker
from corpus_tools.masking.corrupt import usable_never
from corpus_tools.masking.cut import Sequence, cut
from corpus_tools.masking.units import LEVEL_NAMES, token_levels, word_units
from corpus_tools.schema import SPECIAL, Bools, Ints, Offsets
from corpus_tools.shards.read import ShardReader

EPOCH: Final = 0
"""The epoch in the keys of the draws."""


def audit(
    reader: ShardReader, masker: Masker, row_tokens: int = 512, seed: int = 0, limit: int | None = None
) -> dict[str, Any]:
    """Mask every sequence of a shard folder once and report what came out.

    Documents are cut as `masking.cut` says, and the n-th sequence is masked under the key (seed, 0, n).

    Args:
        reader: the documents.
        masker: what masks them.
        row_tokens: the most tokens of a sequence, [CLS] and [SEP] counted.
        seed: of the draws.
        limit: the most documents to look at; None for all.

    Returns:
        `mask_rate` and `expected_rate`, both over the tokens that the budget rule counts; `partly_masked_units`, of
        the strategy's own level, which has to be 0, and `partly_masked`, words, phrases and entities as marked, where
        only those of the strategy's level have to be 0; `corrupted`, the shares of {mask, random, keep}, where a
        random token that happens to be the same one counts as kept; `specials_masked`, `changed_unchosen` and
        `unusable_drawn` (random tokens that clean text never holds), of which the first two have to be 0; `units` by
        level; `masked_unit_lengths` in tokens.

    Raises:
        DataError: there is nothing to audit.
        SettingsError: `row_tokens` leaves no room.
    """
    n_documents = len(reader) if limit is None else min(limit, len(reader))
    vocabulary = reader.vocabulary
    is_entity = np.array([kind["mark"] == "entity" for kind in reader.kinds], dtype=np.bool_)
    tally = _Tally(masker, usable_never(vocabulary), is_entity)
    for number in range(n_documents):
        for row in cut(reader.document(number), row_tokens, vocabulary.cls_id, vocabulary.sep_id):
            tally.add(row, masker.draw(row.ids, row.flags, row.spans, (seed, EPOCH, tally.sequences)))
    if not tally.sequences:
        raise DataError("no documents to audit: the shard folder is empty, or the limit is 0")
    return tally.report()


@dataclass(slots=True)
class _Tally:
    """Sums over sequences."""

    masker: Masker
    never_in_text: Bools
    is_entity: Bools
    """By kind number; the other kinds are phrases."""

    sequences: int = 0
    unmasked_sequences: int = 0
    tokens: int = 0
    counted: int = 0
    expected: float = 0.0
    masked: int = 0
    partly_masked_units: int = 0
    partly_masked: Counter[str] = field(default_factory=lambda: Counter(words=0, phrases=0, entities=0))
    outcomes: Counter[str] = field(default_factory=lambda: Counter(mask=0, random=0, keep=0))
    specials_masked: int = 0
    changed_unchosen: int = 0
    unusable_drawn: int = 0
    units_by_level: Offsets = field(default_factory=lambda: _by_level())
    tokens_by_level: Offsets = field(default_factory=lambda: _by_level())
    masked_by_level: Offsets = field(default_factory=lambda: _by_level())
    unit_lengths: Counter[int] = field(default_factory=Counter)

    def add(self, row: Sequence, drawn: Drawn) -> None:
        masked = drawn.chosen > 0
        self.sequences += 1
        self.unmasked_sequences += not masked.any()
        self.tokens += len(row.ids)
        self.counted += self.masker.masking.counted(row.flags)
        self.expected += self.masker.masking.expected(row.flags)
        self.masked += int(np.count_nonzero(masked))
        self._add_units(row, masked)
        self._add_marks(row, masked)
        self._add_outcomes(row, drawn, masked)

    def _add_units(self, row: Sequence, masked: Bools) -> None:
        units = self.masker.masking.units(row.flags, row.spans)
        sizes, hits = _sizes_and_hits(units, masked)
        self.partly_masked_units += int(np.count_nonzero((hits > 0) & (hits < sizes)))
        self.unit_lengths.update(sizes[hits > 0].tolist())
        levels = token_levels(row.flags, self.masker.masking.level)
        starts = np.diff(units, prepend=0) != 0
        self.units_by_level += np.bincount(levels[starts & (units > 0)], minlength=len(LEVEL_NAMES))
        self.tokens_by_level += np.bincount(levels, minlength=len(LEVEL_NAMES))
        self.masked_by_level += np.bincount(levels[masked], minlength=len(LEVEL_NAMES))

    def _add_marks(self, row: Sequence, masked: Bools) -> None:
        sizes, hits = _sizes_and_hits(word_units(row.flags), masked)
        self.partly_masked["words"] += int(np.count_nonzero((hits > 0) & (hits < sizes)))
        if not len(row.spans):
            return
        masked_before = np.concatenate(([0], np.cumsum(masked)))
        starts, ends = row.spans["start"].astype(np.int64), row.spans["end"].astype(np.int64)
        hit = masked_before[ends] - masked_before[starts]
        partly = (hit > 0) & (hit < ends - starts)
        n_entities = int(np.count_nonzero(partly & self.is_entity[row.spans["kind"]]))
        self.partly_masked["entities"] += n_entities
        self.partly_masked["phrases"] += int(np.count_nonzero(partly)) - n_entities

    def _add_outcomes(self, row: Sequence, drawn: Drawn, masked: Bools) -> None:
        special = row.flags & SPECIAL != 0
        changed = drawn.ids != row.ids
        self.specials_masked += int(np.count_nonzero(special & (masked | changed)))
        self.changed_unchosen += int(np.count_nonzero(changed & ~masked))
        after = drawn.ids[masked]
        is_mask = after == self.masker.mask_id
        is_random = changed[masked] & ~is_mask
        self.outcomes["mask"] += int(np.count_nonzero(is_mask))
        self.outcomes["random"] += int(np.count_nonzero(is_random))
        self.outcomes["keep"] += int(np.count_nonzero(~is_mask & ~is_random))
        self.unusable_drawn += int(np.count_nonzero(self.never_in_text[after[is_random]]))

    def report(self) -> dict[str, Any]:
        by_level = zip(LEVEL_NAMES, self.units_by_level, self.tokens_by_level, self.masked_by_level, strict=True)
        return {
            "mask_rate": self.masked / self.counted,
            "expected_rate": self.expected / self.counted,
            "partly_masked_units": self.partly_masked_units,
            "partly_masked": dict(self.partly_masked),
            "corrupted": {name: number / max(self.masked, 1) for name, number in self.outcomes.items()},
            "specials_masked": self.specials_masked,
            "changed_unchosen": self.changed_unchosen,
            "unusable_drawn": self.unusable_drawn,
            "sequences": self.sequences,
            "unmasked_sequences": self.unmasked_sequences,
            "tokens": self.tokens,
            "counted_tokens": self.counted,
            "masked_tokens": self.masked,
            "level": self.masker.masking.level,
            "units": {
                name: {"units": int(units), "tokens": int(tokens), "masked_tokens": int(masked)}
                for name, units, tokens, masked in by_level
                if units
            },
            "masked_unit_lengths": {str(length): self.unit_lengths[length] for length in sorted(self.unit_lengths)},
        }


def _by_level() -> Offsets:
    return np.zeros(len(LEVEL_NAMES), np.int64)


def _sizes_and_hits(units: Ints, masked: Bools) -> tuple[Offsets, Offsets]:
    """Return how many tokens each unit has, and how many of them are masked; special tokens left out. [U], [U]"""
    sizes = np.bincount(units)[1:]
    return sizes, np.bincount(units[masked], minlength=len(sizes) + 1)[1:]
