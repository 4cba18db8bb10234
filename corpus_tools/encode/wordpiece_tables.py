"""What BERT's tokenizer does to a character, and what a vocabulary holds, as arrays.

Nothing of Unicode is written down here: each code point is given to the `tokenizers` library's own normalizer and
pre-tokenizer once, and what comes out is tabulated. All they do to a character depends on it alone, but for one thing:
the order of combining marks that outlive accent stripping. Those are told as REORDERS, and texts that hold one are left
to the library itself.

Letters: N cells of the trie, P parts of all expansions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from corpus_tools.double_array import NOWHERE, ROOT, code_points, double_array, step, symbol_of
from corpus_tools.encode.vocabulary import Vocabulary
from corpus_tools.table_cache import cached

DROPPED: Final = 0
"""Nothing is left of the character."""
BREAK: Final = 1
"""White space: ends a run."""
ALONE: Final = 2
"""A token by itself; an action's value is its id."""
RUN: Final = 3
"""Part of a run that WordPiece takes apart; an action's value is its symbol in the trie."""
MANY: Final = 4
"""Becomes several characters; an action's value is the number of its expansion."""
REORDERS: Final = 5
"""Its place among its neighbours may change: the text is for the library."""

KIND_BITS: Final = 3
"""An action is value << KIND_BITS | kind."""

_N_CODES: Final = 0x110000
_SURROGATES: Final = range(0xD800, 0xE000)
_AT_ONCE: Final = 4096

_EARLY: Final = "\u1b44"
_LATE: Final = "\U0001d16d"
"""Two spacing marks. In canonical order the first stands before nearly every mark, the second behind nearly every."""


@dataclass(frozen=True, slots=True)
class CharacterForms:
    """What normalizer and pre-tokenizer make of each character, whatever the vocabulary."""

    kinds: npt.NDArray[np.uint8]
    """[0x110000]"""
    codes: npt.NDArray[np.uint32]
    """The normalized character of ALONE and RUN, the number of the expansion of MANY. [0x110000]"""
    part_kinds: npt.NDArray[np.uint8]
    """BREAK, ALONE or RUN of each character of each expansion. [P]"""
    part_codes: npt.NDArray[np.uint32]
    """[P]"""
    bounds: npt.NDArray[np.int32]
    """Where each expansion begins, and P."""


@dataclass(frozen=True, slots=True)
class WordPieceTables:
    """Everything that the kernel reads."""

    actions: npt.NDArray[np.int32]
    """What becomes of each code point. [0x110000]"""
    expansions: npt.NDArray[np.int32]
    """The actions of the characters that a character becomes, for all MANY. [P]"""
    expansion_bounds: npt.NDArray[np.int32]
    """Where each expansion begins in `expansions`, and P."""
    cells: npt.NDArray[np.int32]
    """The trie of all entries as they stand. [N, 2]"""
    token_at: npt.NDArray[np.int32]
    """The id of the entry that ends at a state, NOWHERE where none does. [N]"""
    inner: npt.NDArray[np.int32]
    """The state of "##", where the search for a piece within a word begins; NOWHERE where no entry has it. [1]"""
    unknown: npt.NDArray[np.int32]
    """The id of [UNK]. [1]"""


def wordpiece_tables(vocabulary: Vocabulary) -> WordPieceTables:
    """Return the tables of a vocabulary. The first vocabulary takes seconds, later ones a moment."""
    library = f"tokenizers {version('tokenizers')}"
    forms = cached(CharacterForms, f"1 {library} {vocabulary.lower_case}", lambda: _character_forms(vocabulary))
    return cached(WordPieceTables, f"1 {library} {vocabulary.fingerprint}", lambda: _tables(vocabulary, forms))


def _tables(vocabulary: Vocabulary, forms: CharacterForms) -> WordPieceTables:
    # Without the empty entry that a tokenizer may have: it matches nothing.
    numbers = [number for number, token in enumerate(vocabulary.tokens) if token]
    trie = double_array([vocabulary.tokens[number] for number in numbers])
    id_of = np.full(_N_CODES, vocabulary.unk_id, np.int64)
    for number, token in enumerate(vocabulary.tokens):
        if len(token) == 1:
            id_of[ord(token)] = number
    symbol_of_code = np.zeros(_N_CODES, np.int64)
    symbol_of_code[: len(trie.symbols)] = trie.symbols

    def actions(kinds: npt.NDArray[np.uint8], codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
        values = np.select(
            [kinds == ALONE, kinds == RUN, kinds == MANY], [id_of[codes], symbol_of_code[codes], codes], 0
        )
        return (values << KIND_BITS | kinds).astype(np.int32)

    inner = ROOT
    for sign in code_points("##"):
        inner = step(trie.cells, inner, symbol_of(trie.symbols, sign)) if inner != NOWHERE else NOWHERE
    return WordPieceTables(
        actions=actions(forms.kinds, forms.codes),
        expansions=actions(forms.part_kinds, forms.part_codes),
        expansion_bounds=forms.bounds,
        cells=trie.cells,
        # A state without an entry has key number NOWHERE, -1, which takes the value behind the last.
        token_at=np.array([*numbers, NOWHERE], np.int32)[trie.key_at],
        inner=np.array([inner], np.int32),
        unknown=np.array([vocabulary.unk_id], np.int32),
    )


def _character_forms(vocabulary: Vocabulary) -> CharacterForms:
    tokenizer = vocabulary.corpus_tokenizer()
    forms, moved = _normal_forms(tokenizer.normalizer)
    kind_of = _kinds(tokenizer.pre_tokenizer, sorted(set("".join(forms))))
    found: dict[str, tuple[int, int]] = {}
    parts: list[str] = []
    bounds = [0]
    for form in dict.fromkeys(forms):
        bare = form.strip(" ")
        if len(form) == 1:
            found[form] = kind_of[form], ord(form)
        elif not bare:
            found[form] = BREAK if form else DROPPED, 0
        elif len(bare) == 1 and form[0] == form[-1] == " ":
            found[form] = ALONE, ord(bare)  # set apart by the normalizer, as Chinese characters are
        else:
            found[form] = MANY, len(bounds) - 1
            parts += form
            bounds.append(len(parts))
    columns = np.array([found[form] for form in forms], np.int64)
    kinds = columns[:, 0].astype(np.uint8)
    kinds[moved] = REORDERS
    return CharacterForms(
        kinds=kinds,
        codes=columns[:, 1].astype(np.uint32),
        part_kinds=np.array([kind_of[part] for part in parts], np.uint8),
        part_codes=np.array([ord(part) for part in parts], np.uint32),
        bounds=np.array(bounds, np.int32),
    )


def _normal_forms(normalizer: Any) -> tuple[list[str], list[int]]:
    """Return what the normalizer makes of each code point, and those that it may move past a neighbour."""
    forms = [""] * _N_CODES
    moved: list[int] = []
    for codes in _chunks():
        # Between two marks that stand in the wrong order: a character that can be moved is, one that cannot keeps them
        # apart, and where nothing is left of it they change places.
        found = _each(normalizer, [f"{_LATE}{chr(code)}{_EARLY}" for code in codes])
        for code, form in zip(codes, found, strict=True):
            if form[:1] == _LATE and form[-1:] == _EARLY:
                forms[code] = form[1:-1]
            elif form != _EARLY + _LATE:
                forms[code] = normalizer.normalize_str(chr(code))
                moved.append(code)
    return forms, moved


def _chunks() -> Iterator[list[int]]:
    """Yield all code points but the surrogates, some at a time."""
    codes = [code for code in range(_N_CODES) if code not in _SURROGATES]
    return (codes[at : at + _AT_ONCE] for at in range(0, len(codes), _AT_ONCE))


def _each(normalizer: Any, texts: Sequence[str]) -> list[str]:
    """Normalize short texts by one call, with commas between them."""
    found: list[str] = normalizer.normalize_str(",".join(texts)).split(",")
    # Where one of the texts holds a comma itself.
    return found if len(found) == len(texts) else [normalizer.normalize_str(text) for text in texts]


def _kinds(pre_tokenizer: Any, characters: Sequence[str]) -> dict[str, int]:
    """Say of each character what it is between two letters: BREAK, ALONE, or RUN, part of what surrounds it."""
    kinds: dict[str, int] = {}
    for at in range(0, len(characters), _AT_ONCE):
        some = characters[at : at + _AT_ONCE]
        text = f"a{'a'.join(some)}a"
        covered = np.full(len(text), BREAK, np.uint8)
        for _, (start, end) in pre_tokenizer.pre_tokenize_str(text):
            covered[start:end] = ALONE if end - start == 1 else RUN
        kinds.update(zip(some, covered[1::2].tolist(), strict=True))
    return kinds
