"""What commands over a corpus are told alike: which text, how it is read, cleaned and filtered, what its words are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from corpus_tools.drop_list import DropList
from corpus_tools.errors import SettingsError
from corpus_tools.schema import Document
from corpus_tools.segment import Segmenter, build_segmenter
from corpus_tools.text.clean import Cleaner
from corpus_tools.text.filters import Filters
from corpus_tools.text.inputs import ReadSettings, find_inputs
from corpus_tools.text.predictions import Predictions
from corpus_tools.text.read import Reject, read_split
from corpus_tools.text.simplify import Simplifier
from corpus_tools.text.splits import DEFAULT_SPLIT_BYTES, Split, plan_splits

Stage = Callable[[Iterator[Document | Reject]], Iterator[Document | Reject]]
"""Takes what was read, changes documents or puts Rejects in their places, and passes on what was rejected before."""

JIEBAS: Final = ("jieba", "jieba_itself")
"""The segmenters that have a dictionary and a model."""


@dataclass(frozen=True, kw_only=True)
class CorpusSettings:
    """Which text, and what to make of it."""

    inputs: tuple[str, ...]
    """Files, folders, or what `datasets` loads."""
    out: str
    """The folder or file to write."""
    read: ReadSettings = field(default_factory=ReadSettings)
    split_bytes: int = DEFAULT_SPLIT_BYTES
    """A plain file above this is read in several parts, and built into several shards."""
    workers: int = 0
    """Worker processes; 0 takes one for each processor this process may use, or all of a Ray cluster."""

    def __post_init__(self) -> None:
        if not self.inputs:
            raise SettingsError("inputs: no input is named. Give files or folders of text")
        if self.workers < 0:
            raise SettingsError(f"workers: {self.workers} is below 0; 0 takes one for each processor")
        out = Path(self.out).resolve()
        for name in self.inputs:
            if Path(name).is_dir() and out.is_relative_to(Path(name).resolve()):
                raise SettingsError(
                    f"out: {self.out} lies in the input {name}, and the next run would read it as text. Take a place "
                    "beside it"
                )

    @property
    def n_workers(self) -> int:
        """Worker processes that are meant."""
        return self.workers or len(os.sched_getaffinity(0))

    def splits(self) -> list[Split]:
        """Find the inputs and cut them into parts.

        Raises:
            MissingInputError, DataError, RefusedError: an input is not there or cannot be used.
        """
        return plan_splits(find_inputs(self.inputs, self.read), self.split_bytes, self.read)

    def documents(self, splits: Sequence[Split]) -> Iterator[Document | Reject]:
        """Read parts one after the other; as `read_split`."""
        for split in splits:
            yield from read_split(split, self.read)


@dataclass(frozen=True, kw_only=True)
class CleanedSettings(CorpusSettings):
    """The same, of text that is cleaned and filtered."""

    drop: str | None = None
    """A list of documents to leave out, as `corpus-tools dedup` writes it."""
    clean: tuple[str, ...] = ()
    """Names of `text.clean.STEPS`, in any order."""
    filters: Filters = field(default_factory=Filters)
    """What a document must be like, once it is clean."""

    def __post_init__(self) -> None:
        super().__post_init__()
        Cleaner(self.clean)  # refuses an unknown name

    def drop_list(self) -> DropList | None:
        """Read the list of documents to leave out.

        Raises:
            MissingInputError, DataError: it is not there or cannot be used.
        """
        return DropList(self.drop) if self.drop else None

    def stages(self, drop: DropList | None, predictions: Predictions | None = None) -> tuple[Stage, ...]:
        """Return what documents pass after they were read, in this order.

        Predicted spans come before what changes the text: they are counted in the text as read.
        """
        stages: list[Stage] = [drop.sift] if drop else []
        if predictions:
            stages.append(predictions.added_to)
        if self.clean:
            stages.append(Cleaner(self.clean).clean_all)
        if self.filters != Filters():
            stages.append(self.filters.sift)
        return tuple(stages)

    def documents(self, splits: Sequence[Split]) -> Iterator[Document | Reject]:
        """Read parts one after the other; what is dropped, and what filters do not let through, is a Reject too."""
        found = super().documents(splits)
        for stage in self.stages(self.drop_list()):
            found = stage(found)
        return found


@dataclass(frozen=True, kw_only=True)
class SegmentedSettings(CleanedSettings):
    """The same, of text that is taken apart into words."""

    segmenter: str = "jieba"
    """A name of `segment.SEGMENTERS`, or `by_function:MODULE:FUNCTION`."""
    dictionaries: tuple[str, ...] = ()
    """jieba user dictionaries, in order."""
    hmm: bool = True
    """Whether jieba looks for words that no dictionary has, too."""
    segment_as: str | None = None
    """`simplified`: words, and entries of lists, are looked for in a simplified copy of the text."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.segmenter not in JIEBAS:
            if self.dictionaries:
                raise SettingsError(f"dictionaries: only the segmenter jieba reads them, not '{self.segmenter}'")
            if not self.hmm:
                raise SettingsError(f"hmm: only the segmenter jieba has such a model, not '{self.segmenter}'")
        if self.segment_as not in (None, "simplified"):
            raise SettingsError(f"segment_as: '{self.segment_as}' is not known. Known: simplified")
        if "spaces" in self.clean and self.segmenter == "presegmented":
            raise SettingsError("clean: the step spaces takes out what is between the words of presegmented text")

    def make_segmenter(self) -> Segmenter:
        """Build the segmenter; as `make_segmenter`."""
        return make_segmenter(self.segmenter, self.dictionaries, self.hmm)

    def make_simplifier(self) -> Simplifier | None:
        """Build what makes the simplified copy, where one is asked for.

        Raises:
            SettingsError: OpenCC is not installed.
        """
        return Simplifier() if self.segment_as else None


def make_segmenter(name: str, dictionaries: tuple[str, ...] = (), hmm: bool = True) -> Segmenter:
    """Build a segmenter as the command line names it.

    Raises:
        SettingsError: the name is unknown, or the segmenter has no such setting.
        MissingInputError, DataError: a dictionary cannot be read.
    """
    name, _, function = name.partition(":")
    settings: dict[str, Any] = {"name": name}
    if function:
        settings["function"] = function
    if dictionaries:
        settings["dictionaries"] = dictionaries
    if not hmm:
        settings["hmm"] = hmm
    return build_segmenter(settings)
