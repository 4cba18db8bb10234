"""Entities by the tags of the dictionary: a word that jieba's dictionary calls a person, a place, a body or a name.

A word's tag is the one in the dictionary, not `jieba.posseg`'s, which is a second segmentation with other words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from corpus_tools.errors import SettingsError
from corpus_tools.jieba_dictionary import checked_paths, dictionaries_hash, dictionary_tags
from corpus_tools.schema import Offsets, TextSpan

DEFAULT_TAGS: Final = ("nr", "ns", "nt", "nz")
"""Persons, places, bodies and other proper names."""


class DictionaryTags:
    """Marks words of at least two characters that carry one of some tags."""

    def __init__(self, dictionaries: Sequence[str | Path] = (), tags: Sequence[str] = DEFAULT_TAGS) -> None:
        """Read the dictionaries.

        Args:
            dictionaries: the user dictionaries that the words were segmented with, in the same order.
            tags: those to mark; each is the kind of its spans. Matched whole: "nr" is not "nrt".

        Raises:
            SettingsError: there is no tag.
            MissingInputError, DataError: a dictionary is missing or cannot be used.
        """
        if isinstance(tags, str) or not tags:
            raise SettingsError(f"dictionary_tags.tags: expected a list such as [nr, ns], found {tags!r}")
        paths = checked_paths(dictionaries)
        self.kinds: Final = tuple((tag, "entity") for tag in dict.fromkeys(tags))
        self.fingerprint: Final = f"dictionary_tags-1-{','.join(tags)}-{dictionaries_hash(paths)}"
        wanted = set(tags)
        self._tag_of = {word: tag for word, tag in dictionary_tags(paths).items() if tag in wanted and len(word) > 1}

    def find(self, text: str, word_starts: Offsets) -> tuple[list[TextSpan], int]:
        """Return the tagged words of a text, sorted; none is ever rejected. word_starts [words]"""
        word_ends = np.append(word_starts[1:], len(text))
        longer = np.flatnonzero(word_ends - word_starts > 1) if len(word_starts) else word_starts
        found = []
        for start, end in zip(word_starts[longer].tolist(), word_ends[longer].tolist(), strict=True):
            tag = self._tag_of.get(text[start:end])
            if tag is not None:
                found.append(TextSpan(start, end, tag, "entity"))
        return found, 0
