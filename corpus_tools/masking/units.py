"""Number the units of a sequence: the characters, words, phrases or entities that are masked together or not at all.

Units tile the sequence: at a level every token belongs to exactly one unit, and every unit can be drawn. At the phrase
level what no phrase covers falls into words; at the entity level what no entity covers falls into phrases, then words.
An entity wins over the words it cuts, and what remains of them are units of their own. A special token is in no unit
and ends one, so what is left of a word cut by the sequence's start is a unit as well.

All of that follows from the flags alone: a unit begins where the level of the tokens changes, or where the token
carries its own level's start bit. L is the number of tokens.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from corpus_tools.compiled import compiled
from corpus_tools.schema import (
    ENTITY,
    IN_ENTITY,
    IN_PHRASE,
    PHRASE,
    SPECIAL,
    WORD,
    Bools,
    Flags,
    Ints,
)

Level = Literal["character", "word", "phrase", "entity"]
"""The widest kind of unit that a strategy takes; what it leaves falls to the next narrower one."""

NO_LEVEL: Final = 0
"""The level of a special token."""
LEVEL_NAMES: Final[tuple[str, ...]] = ("special", "character", "word", "phrase", "entity")
"""The names of the numbers that `token_levels` returns."""

_CHARACTER, _WORD, _PHRASE, _ENTITY = 1, 2, 3, 4


def _levels_by_flag(level: Level) -> Flags:
    """Tabulate the level of a token for each of the 256 flag bytes."""
    flags = np.arange(256)
    levels = np.full(256, _CHARACTER if level == "character" else _WORD, np.uint8)
    if level in ("phrase", "entity"):
        levels[(flags & IN_PHRASE) != 0] = _PHRASE
    if level == "entity":
        levels[(flags & IN_ENTITY) != 0] = _ENTITY
    levels[(flags & SPECIAL) != 0] = NO_LEVEL
    return levels


def _starts_by_flag(level: Level) -> Bools:
    """Tabulate, for each flag byte, whether the token's own level says that a unit begins at it."""
    flags = np.arange(256)
    own_bit = np.array([0, 0, WORD, PHRASE, ENTITY])[_levels_by_flag(level)]
    starts: Bools = (flags & own_bit) != 0
    starts |= _levels_by_flag(level) == _CHARACTER
    return starts


_LEVELS: Final[dict[Level, Flags]] = {
    "character": _levels_by_flag("character"),
    "word": _levels_by_flag("word"),
    "phrase": _levels_by_flag("phrase"),
    "entity": _levels_by_flag("entity"),
}
_STARTS: Final[dict[Level, Bools]] = {
    "character": _starts_by_flag("character"),
    "word": _starts_by_flag("word"),
    "phrase": _starts_by_flag("phrase"),
    "entity": _starts_by_flag("entity"),
}


def token_levels(flags: Flags, level: Level) -> Flags:
    """Return what kind of unit each token falls into at a level, as an index into LEVEL_NAMES. [L]"""
    levels: Flags = _LEVELS[level][flags]
    return levels


def unit_tables(level: Level) -> tuple[Flags, Bools]:
    """Return, by flag byte, the level of a token and whether its own level says that a unit begins at it. [256] each"""
    return _LEVELS[level], _STARTS[level]


def units_at(flags: Flags, level: Level) -> Ints:
    """Number the units of a level from 1 in the order they stand, 0 for special tokens. flags [L]; returns [L]."""
    units = np.empty(len(flags), np.int32)
    number_units(flags, *unit_tables(level), units)
    return units


@compiled
def number_units(flags: Flags, levels: Flags, starts: Bools, units: Ints) -> int:
    """Write the numbers of `units_at` into `units` [L], by the tables of a level. Returns the number of units."""
    n_units = 0
    before = NO_LEVEL
    for token in range(len(flags)):
        level = levels[flags[token]]
        if level == NO_LEVEL:
            units[token] = 0
        else:
            n_units += level != before or starts[flags[token]]
            units[token] = n_units
        before = level
    return n_units


def character_units(flags: Flags) -> Ints:
    """Number every token but the special ones. [L]"""
    return units_at(flags, "character")


def word_units(flags: Flags) -> Ints:
    """Number the words. [L]"""
    return units_at(flags, "word")


def phrase_units(flags: Flags) -> Ints:
    """Number the phrases and the words they leave. [L]"""
    return units_at(flags, "phrase")


def entity_units(flags: Flags) -> Ints:
    """Number the entities, the phrases they leave and the words both leave. [L]"""
    return units_at(flags, "entity")
