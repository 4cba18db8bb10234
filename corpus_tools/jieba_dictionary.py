"""jieba's dictionary and the user's own in its format, read without importing jieba.

A dictionary line is `word [frequency] [tag]`, separated by single spaces.
Source: `re_userdict` and `load_userdict` of jieba 0.42.1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from corpus_tools.errors import DataError, MissingInputError, SettingsError
from corpus_tools.files import MAX_ENTRY_CHARS, list_lines

_ENTRY: Final = re.compile(r"^(.+?)( [0-9]+)?( [a-z]+)?$")
_NUMBER: Final = re.compile(r"\s[+-]?[0-9][0-9.,]*(\s|$)")
_MAX_DIGITS: Final = 18
"""A longer frequency is no count of anything, and its logarithm swamps all others."""


class Entry(NamedTuple):
    """One dictionary word."""

    word: str
    frequency: int | None
    """None: high enough for the word to be cut out. 0: never a word."""
    tag: str | None


@cache
def jieba_dictionary_path() -> Path:
    """Find the dictionary that jieba ships.

    Raises:
        MissingInputError: jieba is not installed, or its dictionary was removed.
    """
    spec = find_spec("jieba")
    path = Path(spec.origin).with_name("dict.txt") if spec and spec.origin else None
    if path is None or not path.is_file():
        raise MissingInputError("jieba's dict.txt is not installed. Install jieba==0.42.1")
    return path


@cache
def jieba_dictionary_hash() -> str:
    """Return the SHA-256 of jieba's own dictionary, in hexadecimal."""
    return hashlib.sha256(jieba_dictionary_path().read_bytes()).hexdigest()


def user_entries(path: str | Path) -> Iterator[Entry]:
    """Read a user dictionary: plain, .gz or .xz.

    Raises:
        MissingInputError: no file is there.
        DataError: the file is damaged, has no entry, or a line that is none; names FILE:LINE.
    """
    n_entries = 0
    for number, line in list_lines(path):
        line = line.strip()
        if line:
            n_entries += 1
            yield _entry(line, f"{path}:{number}")
    if not n_entries:
        raise DataError(f"{path}: holds no word. Put 'word [frequency] [tag]' on each line")


def _entry(line: str, place: str) -> Entry:
    match = _ENTRY.match(line)
    # jieba takes a line it cannot take apart for one long word that never occurs: the user's entry is lost in silence.
    if match is None or "\t" in match[1] or _NUMBER.search(match[1]):
        raise DataError(
            f"{place}: {line[:80]!r} is not 'word [frequency] [tag]' with single spaces, as in '云计算 5 n'"
        )
    word, frequency, tag = (part.strip() if part else None for part in match.groups())
    if frequency and len(frequency) > _MAX_DIGITS:
        raise DataError(
            f"{place}: a frequency of {len(frequency)} digits, at most {_MAX_DIGITS} make sense. Leave it out, and "
            "jieba finds one that is high enough"
        )
    assert word is not None  # the pattern's first group is never empty
    # jieba keeps every beginning of a word, so that one of 100,000 characters would be 10 GB of them.
    if len(word) > MAX_ENTRY_CHARS:
        raise DataError(
            f"{place}: a word of {len(word):,} characters, at most {MAX_ENTRY_CHARS} make sense. Put one on a line"
        )
    return Entry(word, int(frequency) if frequency else None, tag)


def dictionary_tags(dictionaries: Sequence[str | Path] = ()) -> dict[str, str]:
    """Return the tag of each dictionary word: jieba's own, then the user's in order; the last one holds.

    A user word without a tag keeps the tag it has, if any.

    Raises:
        MissingInputError, DataError: as `user_entries`.
    """
    tags: dict[str, str] = {}
    with jieba_dictionary_path().open(encoding="utf-8") as file:
        for line in file:
            word, _, tag = line.rstrip("\n").split(" ")
            tags[word] = tag
    tags.update((entry.word, entry.tag) for path in dictionaries for entry in user_entries(path) if entry.tag)
    return tags


def dictionaries_hash(dictionaries: Sequence[str | Path]) -> str:
    """Return the SHA-256 of jieba's dictionary and the user's entries, however those files are packed."""
    digest = hashlib.sha256(jieba_dictionary_hash().encode())
    for path in dictionaries:
        for entry in user_entries(path):
            digest.update(f"{entry.word}\t{entry.frequency}\t{entry.tag}\n".encode())
    return digest.hexdigest()


def checked_paths(dictionaries: Iterable[str | Path] | str) -> tuple[str, ...]:
    """Return the dictionary paths as a tuple of strings.

    Raises:
        SettingsError: one string was given where a list belongs: it would be taken letter by letter.
    """
    if isinstance(dictionaries, str | bytes | Mapping):
        raise SettingsError(f"dictionaries: expected a list of files, found {dictionaries!r}")
    return tuple(str(path) for path in dictionaries)
