"""Raw text: find inputs, cut them into splits, read documents, mark their paragraphs and sentences."""

from __future__ import annotations

from corpus_tools.files import open_bytes
from corpus_tools.text.inputs import InputFile, ReadSettings, find_inputs
from corpus_tools.text.read import Reject, read_split
from corpus_tools.text.splits import DEFAULT_SPLIT_BYTES, Split, plan_splits

__all__ = [
    "DEFAULT_SPLIT_BYTES",
    "InputFile",
    "ReadSettings",
    "Reject",
    "Split",
    "find_inputs",
    "open_bytes",
    "plan_splits",
    "read_split",
]
