"""Entities from knowledge graphs: what a graph has something to say about.

A graph is a file of triples, subject, predicate and object apart by tabs, as K-BERT's `.spo` files are. Its subjects
are entities. Its objects are not: most graphs have classes, dates, numbers and sentences there, and to mark every 疾病,
男 and 1949年 would be wrong. Where a graph's objects are names, make a list of them: cut -f3 FILE | sort -u.

Source: Liu et al. 2020, arXiv:1909.07606, and the files of autoliuweijie/K-BERT.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from corpus_tools.errors import DataError
from corpus_tools.spans.lexicon import Lexicon


class Knowledge(Lexicon):
    """Finds the subjects of triples. Takes what `Lexicon` takes; a line that is no triple is a DataError too."""

    name: ClassVar[str] = "knowledge"

    def _entry(self, line: str, path: str | Path, number: int) -> str:
        if not line.strip():
            return ""
        columns = line.split("\t")
        if len(columns) != 3:
            raise DataError(
                f"{path}:{number}: {len(columns)} columns, expected subject, predicate and object apart by tabs. "
                "To keep the triples alone: awk -F'\\t' 'NF == 3'"
            )
        return columns[0].strip()
