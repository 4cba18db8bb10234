"""Entities or phrases from lists of the user's: the longest entry that matches, from left to right.

An entry does not match inside a run of Latin letters and digits: "AI" is not found in "RAID", nor "5月" in "15月".
At each place the longest entry that may stand there is taken, so a shorter one is not lost to a longer that may not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.double_array import NOWHERE, ROOT, step, symbol_of
from corpus_tools.errors import DataError, SettingsError
from corpus_tools.files import MAX_ENTRY_CHARS, PACKED, content_hash, list_lines, utf8_name
from corpus_tools.schema import Flags, Offsets
from corpus_tools.spans.entries import Entries
from corpus_tools.spans.found import Found
from corpus_tools.table_cache import cached
from corpus_tools.text.batch import TextBatch
from corpus_tools.text.simplify import Simplifier

INSIDE_RUN: Final = "inside_run"
"""A match begins or ends within a run of Latin letters or digits."""


class Lexicon:
    """Finds the entries of list files."""

    name: ClassVar[str] = "lexicon"

    def __init__(
        self,
        files: Sequence[tuple[str | None, str | Path]],
        mark: str = "entity",
        simplifier: Simplifier | None = None,
    ) -> None:
        """Read the lists.

        Args:
            files: (kind, path) of each list; the kind defaults to the file's name without suffixes. A list is plain or
                packed; an entry is a line up to its first tab. Entries of one character are left out: there is nothing
                in them to keep together. An entry of two lists is of the first one's kind.
            mark: what its spans are: "entity" or "phrase".
            simplifier: where it is given, entries are simplified, as the texts that they are looked for in have to be.

        Raises:
            SettingsError: the mark is neither, or there is no file.
            MissingInputError: a list is not there.
            DataError: a list is damaged, not UTF-8, has an entry of over MAX_ENTRY_CHARS, or has none at all.
        """
        if mark not in ("entity", "phrase"):
            raise SettingsError(f"{self.name}: the mark {mark!r} is neither 'entity' nor 'phrase'")
        if not files:
            raise SettingsError(f"{self.name}: no list file is named")
        named = [(kind or default_kind(path), path) for kind, path in files]
        names = list(dict.fromkeys(kind for kind, _ in named))
        self.kinds: Final = tuple((kind, mark) for kind in names)
        lists = [(names.index(kind), path) for kind, path in named]
        self._simplifier = simplifier
        self.files: Final = tuple((kind, content_hash(path)) for kind, path in named)
        """Kind and SHA-256 of each list, however it is packed."""
        form = f"{simplifier.fingerprint}-" if simplifier else ""
        whole = hashlib.sha256(f"{self.kinds} {self.files}".encode())
        self.fingerprint: Final = f"{self.name}-2-{form}{whole.hexdigest()}"
        # Lists of millions take half a minute to read and place: they are read again only where a byte of them changed.
        self._entries = cached(Entries, f"2 {self.fingerprint}", lambda: self._read(lists))

    def find(self, batch: TextBatch, marks: Flags) -> Found:
        """Return the matches of a batch, and how many were rejected at a Latin or digit run.

        Words are not asked: a quarter of real matches have an edge inside a word.
        """
        entries = self._entries
        starts, ends = np.empty(len(batch.codes), np.int64), np.empty(len(batch.codes), np.int64)
        kinds = np.empty(len(batch.codes), np.int32)
        n_found, n_rejected = _match(
            batch.codes, batch.bounds, entries.cells, entries.symbols, entries.kinds, _LATIN, starts, ends, kinds
        )
        rejected = {INSIDE_RUN: n_rejected} if n_rejected else {}
        return Found(starts[:n_found].copy(), ends[:n_found].copy(), kinds[:n_found].copy(), rejected)

    def _read(self, lists: Sequence[tuple[int, str | Path]]) -> Entries:
        number_of: dict[str, int] = {}
        for number, path in lists:
            n_entries = 0
            for line_number, line in list_lines(path):
                entry = self._entry(line, path, line_number)
                if len(entry) > MAX_ENTRY_CHARS:
                    raise DataError(
                        f"{path}:{line_number}: an entry of {len(entry)} characters, at most {MAX_ENTRY_CHARS} make "
                        "sense. Put one entry on a line; a tab ends it"
                    )
                n_entries += bool(entry)
                if len(entry) > 1:
                    number_of.setdefault(self._simplifier.text(entry)[0] if self._simplifier else entry, number)
            if not n_entries:
                raise DataError(f"{path}: holds no entry. Put one on each line")
        return Entries.of(number_of)

    def _entry(self, line: str, path: str | Path, number: int) -> str:
        """Return the entry of a line, "" where it has none."""
        return line.partition("\t")[0].strip()


def default_kind(path: str | Path) -> str:
    """Return a list file's name without its suffixes: "medical" of lists/medical.txt.xz."""
    path = Path(path)
    if path.suffix.lower() in PACKED:
        path = path.with_suffix("")
    return utf8_name(path.stem)


def _is_latin(char: str) -> bool:
    """Tell letters and digits of ASCII, of the full-width forms, and the accented letters of Latin-1 and Latin A, B."""
    return char.isalnum() and (char <= "z" or "À" <= char <= "ɏ" or "０" <= char <= "ｚ")


_LATIN: Final = np.array([_is_latin(chr(code)) for code in range(0x10000)])


@compiled
def _match(
    codes: npt.NDArray[np.uint32],
    bounds: Offsets,
    cells: npt.NDArray[np.int32],
    symbols: npt.NDArray[np.uint32],
    entry_kinds: npt.NDArray[np.int32],
    latin: npt.NDArray[np.bool_],
    starts: Offsets,
    ends: Offsets,
    kinds: npt.NDArray[np.int32],
) -> tuple[int, int]:
    """Write the longest entries that may stand where they are found, from left to right.

    Returns:
        how many there are, and how many longer ones were passed over.
    """
    n_found = n_rejected = 0
    for text in range(len(bounds) - 1):
        first, last = bounds[text], bounds[text + 1]
        at = first
        while at < last:
            opens_run = not _inside_run(codes, at, first, last, latin)
            state = ROOT
            place = end = at
            passed_over = 0
            kind = NOWHERE
            while place < last:
                state = step(cells, state, symbol_of(symbols, codes[place]))
                if state == NOWHERE:
                    break
                place += 1
                if entry_kinds[state] == NOWHERE:
                    continue
                if opens_run and not _inside_run(codes, place, first, last, latin):
                    end, kind = place, entry_kinds[state]
                    passed_over = 0
                else:
                    passed_over += 1
            n_rejected += passed_over
            if kind == NOWHERE:
                at += 1
            else:
                starts[n_found], ends[n_found], kinds[n_found] = at, end, kind
                n_found += 1
                at = end
    return n_found, n_rejected


@compiled
def _inside_run(codes: npt.NDArray[np.uint32], at: int, first: int, last: int, latin: npt.NDArray[np.bool_]) -> bool:
    """Tell whether `at` has Latin letters or digits of the text [first, last) on both of its sides."""
    if at in (first, last) or codes[at - 1] >= len(latin) or codes[at] >= len(latin):
        return False
    return bool(latin[codes[at - 1]] and latin[codes[at]])
