"""Entities by the tags of the dictionary: a word that jieba's dictionary calls a person, a place, a body or a name.

A word's tag is the one in the dictionary, not `jieba.posseg`'s, which is a second segmentation with other words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from corpus_tools.compiled import compiled
from corpus_tools.double_array import NOWHERE, ROOT, step, symbol_of
from corpus_tools.errors import SettingsError, nearest
from corpus_tools.jieba_dictionary import checked_paths, dictionaries_hash, dictionary_tags
from corpus_tools.schema import WORD, Flags, Offsets
from corpus_tools.spans.entries import Entries
from corpus_tools.spans.found import Found
from corpus_tools.table_cache import cached
from corpus_tools.text.batch import TextBatch

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
            SettingsError: there is no tag, or one that no word has.
            MissingInputError, DataError: a dictionary is missing or cannot be used.
        """
        if isinstance(tags, str) or not tags:
            raise SettingsError(f"dictionary_tags.tags: expected a list such as [nr, ns], found {tags!r}")
        paths = checked_paths(dictionaries)
        self.kinds: Final = tuple((tag, "entity") for tag in dict.fromkeys(tags))
        self.fingerprint: Final = f"dictionary_tags-1-{','.join(tags)}-{dictionaries_hash(paths)}"
        wanted = {tag: number for number, (tag, _) in enumerate(self.kinds)}

        def make() -> Entries:
            tags_of = dictionary_tags(paths)
            known = set(tags_of.values())
            for tag in wanted:
                if tag not in known:
                    raise SettingsError(f"tags: no word of the dictionary has the tag '{tag}'.{nearest(tag, known)}")
            return Entries.of({word: wanted[tag] for word, tag in tags_of.items() if tag in wanted and len(word) > 1})

        self._words = cached(Entries, f"3 {self.fingerprint}", make)

    def find(self, batch: TextBatch, marks: Flags) -> Found:
        """Return the tagged words; none is ever rejected. marks [C]"""
        starts = np.flatnonzero(marks & WORD)
        ends = np.append(starts[1:], len(marks))  # every text begins with a word
        kinds = np.empty(len(starts), np.int32)
        words = self._words
        _look_up(batch.codes, starts, ends, words.cells, words.symbols, words.kinds, kinds)
        tagged = kinds != NOWHERE
        return Found(starts[tagged], ends[tagged], kinds[tagged])


@compiled
def _look_up(
    codes: npt.NDArray[np.uint32],
    starts: Offsets,
    ends: Offsets,
    cells: npt.NDArray[np.int32],
    symbols: npt.NDArray[np.uint32],
    kinds: npt.NDArray[np.int32],
    found: npt.NDArray[np.int32],
) -> None:
    """Write the kind of each word into `found`, NOWHERE for those that have none."""
    for word in range(len(starts)):
        state = ROOT
        for place in range(starts[word], ends[word]):
            state = step(cells, state, symbol_of(symbols, codes[place]))
            if state == NOWHERE:
                break
        found[word] = NOWHERE if state == NOWHERE else kinds[state]
