"""Words by jieba's algorithm (default mode), compiled: the words of `jieba.lcut`, many times faster, in linear time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import Any, ClassVar

from corpus_tools.errors import SettingsError
from corpus_tools.jieba_dictionary import checked_paths
from corpus_tools.schema import Flags
from corpus_tools.segment.jieba_kernel import mark_words
from corpus_tools.segment.jieba_tables import JiebaTables, jieba_tables
from corpus_tools.segment.loaded_jieba import LoadedJieba, import_jieba, jieba_hash
from corpus_tools.table_cache import cached
from corpus_tools.text.batch import TextBatch


@dataclass(eq=False)
class JiebaSegmenter:
    """jieba's words. The first use of a set of dictionaries takes seconds, later ones load their tables."""

    dictionaries: Sequence[str] = ()
    """User dictionary files, applied in this order on top of jieba's own."""
    hmm: bool = True
    """Whether words that no dictionary has are found too."""

    tokenizer: Any = None
    """A `jieba.Tokenizer` to take over as it is now, with all that add_word, del_word and suggest_freq did to it,
    instead of dictionaries. What happens to it later is not seen."""

    fingerprint: str = field(init=False)
    long_runs_cut: ClassVar[int] = 0

    def __post_init__(self) -> None:
        self.dictionaries = checked_paths(self.dictionaries)
        if self.tokenizer is not None and self.dictionaries:
            raise SettingsError("segmenter: give a tokenizer or dictionaries; load_userdict adds a file to a tokenizer")
        if self.tokenizer is None:
            of = jieba_hash(self.dictionaries)
            tables = cached(JiebaTables, f"3 {of}", self._make_tables)
        else:
            self.tokenizer.check_initialized()
            tables = jieba_tables(self.tokenizer, import_jieba().finalseg)
            of = sha256(b"".join(getattr(tables, each.name).tobytes() for each in fields(tables))).hexdigest()
        self.fingerprint = f"jieba-{of}{'' if self.hmm else '-no-hmm'}"
        self._tables = tuple(getattr(tables, each.name) for each in fields(tables))

    def _make_tables(self) -> JiebaTables:
        loaded = LoadedJieba(self.dictionaries)
        with loaded.own_forbidden_words():
            return jieba_tables(loaded.tokenizer, loaded.finalseg)

    def mark(self, batch: TextBatch, marks: Flags) -> None:
        """Set WORD where a word begins. [C]"""
        mark_words(batch.codes, batch.bounds, marks, self.hmm, *self._tables)
