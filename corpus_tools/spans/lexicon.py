"""Entities or phrases from lists of the user's: the longest entry that matches, from left to right.

An entry does not match inside a run of Latin letters and digits: "AI" is not found in "RAID", nor "5月" in "15月".
At each place the longest entry that may stand there is taken, so a shorter one is not lost to a longer that may not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ahocorasick_rs import AhoCorasick, MatchKind

from corpus_tools.errors import DataError, SettingsError
from corpus_tools.files import PACKED, list_lines
from corpus_tools.schema import Offsets, TextSpan

MARKS: Final = ("entity", "phrase")

MAX_ENTRY_CHARS: Final = 200
"""A longer entry is no name and no phrase: the file is something else."""


class Lexicon:
    """Finds the entries of list files."""

    def __init__(self, files: Sequence[tuple[str | None, str | Path]], mark: str = "entity") -> None:
        """Read the lists.

        Args:
            files: (kind, path) of each list; the kind defaults to the file's name without suffixes. A list is plain,
                .gz or .xz; an entry is a line up to its first tab. An entry of two lists is of the first one's kind.
            mark: what its spans are: "entity" or "phrase".

        Raises:
            SettingsError: the mark is neither, or there is no file.
            MissingInputError: a list is not there.
            DataError: a list is damaged, not UTF-8, has an entry of over MAX_ENTRY_CHARS, or has none at all.
        """
        if mark not in MARKS:
            raise SettingsError(f"lexicon: the mark {mark!r} is neither 'entity' nor 'phrase'")
        if not files:
            raise SettingsError("lexicon: no list file is named")
        self.mark: Final = mark
        self.n_single = 0
        """Entries of one character, which are left out: there is nothing in them to keep together."""
        self._kind_of: dict[str, str] = {}
        named = [(kind or default_kind(path), path) for kind, path in files]
        for kind, path in named:
            self._read(kind, path)
        self.kinds: Final = tuple((kind, mark) for kind in dict.fromkeys(kind for kind, _ in named))
        self.fingerprint: Final = self._hash()
        self._kinds = list(self._kind_of.values())
        self._automaton = AhoCorasick(list(self._kind_of), matchkind=MatchKind.Standard)

    def __len__(self) -> int:
        return len(self._kinds)

    def find(self, text: str, word_starts: Offsets) -> tuple[list[TextSpan], int]:
        """Return the matches of a text and how many matches were rejected at a Latin or digit run.

        Words are not asked: a quarter of real matches have an edge inside a word. Spans are sorted and do not overlap.
        """
        found: list[TextSpan] = []
        n_rejected = 0
        free_from = 0
        for start, end, entry in self._matches(text):
            if start < free_from:
                continue
            if _inside_run(text, start) or _inside_run(text, end):
                n_rejected += 1
            else:
                found.append(TextSpan(start, end, self._kinds[entry], self.mark))
                free_from = end
        return found, n_rejected

    def _matches(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Yield (start, end, entry) of all matches, by start, the longest first. Not lazy within a line."""
        # No entry holds a line end, so lines can be searched one by one, and memory is that of a line's matches.
        at = 0
        for line in text.split("\n"):
            matches = self._automaton.find_matches_as_indexes(line, overlapping=True)
            for start, minus_end, entry in sorted((start, -end, entry) for entry, start, end in matches):
                yield at + start, at - minus_end, entry
            at += len(line) + 1

    def _read(self, kind: str, path: str | Path) -> None:
        n_entries = 0
        for number, line in list_lines(path):
            entry = line.partition("\t")[0].strip()
            if len(entry) > MAX_ENTRY_CHARS:
                raise DataError(
                    f"{path}:{number}: an entry of {len(entry)} characters, at most {MAX_ENTRY_CHARS} make sense. "
                    "Put one entry on a line; a tab ends it"
                )
            n_entries += bool(entry)
            if len(entry) > 1:
                self._kind_of.setdefault(entry, kind)
            self.n_single += len(entry) == 1
        if not n_entries:
            raise DataError(f"{path}: holds no entry. Put one on each line")

    def _hash(self) -> str:
        digest = hashlib.sha256(f"lexicon-1 {self.mark} {self.kinds}\n".encode())
        for entry, kind in self._kind_of.items():
            digest.update(f"{entry}\t{kind}\n".encode())
        return f"lexicon-1-{digest.hexdigest()}"


def default_kind(path: str | Path) -> str:
    """Return a list file's name without its suffixes: "medical" of lists/medical.txt.xz."""
    path = Path(path)
    if path.suffix.lower() in PACKED:
        path = path.with_suffix("")
    return path.stem


def _inside_run(text: str, at: int) -> bool:
    """Tell whether `at` has Latin letters or digits on both of its sides."""
    return 0 < at < len(text) and _is_latin(text[at - 1]) and _is_latin(text[at])


def _is_latin(char: str) -> bool:
    """Tell letters and digits of ASCII, of the full-width forms, and the accented letters of Latin-1 and Latin A, B."""
    return char.isalnum() and (char <= "z" or "À" <= char <= "ɏ" or "０" <= char <= "ｚ")
