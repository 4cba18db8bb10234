"""What a build is asked for, and what of it decides the bytes of the shards."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from corpus_tools.encode.encoder import Encoder
from corpus_tools.encode.vocabulary import load_vocabulary
from corpus_tools.errors import SettingsError
from corpus_tools.segment import Segmenter, build_segmenter
from corpus_tools.spans import DictionaryTags, Lexicon, SpanFinder
from corpus_tools.spans.dictionary_tags import DEFAULT_TAGS
from corpus_tools.text.inputs import ReadSettings
from corpus_tools.text.splits import DEFAULT_SPLIT_BYTES, Split

ListFile = tuple[str | None, str]
"""(kind, path); the kind None is the file's stem."""


@dataclass(frozen=True, kw_only=True)
class BuildSettings:
    """All that `corpus-tools build` can be told."""

    inputs: tuple[str, ...]
    """Files, folders, or what `datasets` loads."""
    vocab: str
    """A vocab.txt or a folder with a saved BERT tokenizer."""
    out: str
    """The shard folder."""
    cased: bool = False
    """Keep upper and lower case apart, where the vocabulary does not say."""
    segmenter: str = "jieba"
    """A name of `segment.SEGMENTERS`, or `by_function:MODULE:FUNCTION`."""
    dictionaries: tuple[str, ...] = ()
    """jieba user dictionaries, in order."""
    entities: tuple[ListFile, ...] = ()
    phrases: tuple[ListFile, ...] = ()
    tags: tuple[str, ...] = DEFAULT_TAGS
    """Dictionary tags whose words are entities; none where it is empty."""
    read: ReadSettings = field(default_factory=ReadSettings)
    split_bytes: int = DEFAULT_SPLIT_BYTES
    """A plain file above this is cut into several shards."""
    model_max_length: int = 512
    """Written into the shards' tokenizer: the positions of the models it is for."""
    workers: int = 0
    """Worker processes; 0 takes one for each processor this process may use."""

    def __post_init__(self) -> None:
        if not self.inputs:
            raise SettingsError("build: no input is named. Give files or folders of text")
        if self.workers < 0:
            raise SettingsError(f"workers: {self.workers} is below 0")
        if self.dictionaries and self.segmenter != "jieba":
            raise SettingsError(f"dictionaries: only the segmenter jieba reads them, not '{self.segmenter}'")

    @property
    def n_workers(self) -> int:
        """Worker processes that are meant."""
        return self.workers or len(os.sched_getaffinity(0))

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, without what says only where and how fast it is done."""
        kept = {name: value for name, value in asdict(self).items() if name not in ("out", "workers")}
        found: dict[str, Any] = json.loads(json.dumps(kept))  # lists for tuples, as they are read again
        return found


def make_segmenter(name: str, dictionaries: tuple[str, ...] = ()) -> Segmenter:
    """Build a segmenter as the command line names it.

    Raises:
        SettingsError: the name is unknown.
        MissingInputError, DataError: a dictionary cannot be read.
    """
    name, _, function = name.partition(":")
    settings: dict[str, Any] = {"name": name}
    if function:
        settings["function"] = function
    if dictionaries:
        settings["dictionaries"] = dictionaries
    return build_segmenter(settings)


def make_finders(settings: BuildSettings) -> dict[str, SpanFinder]:
    """Build the span finders by the option that asks for them.

    The user's lists stand before the tags: of two equal matches the earlier finder's holds.
    """
    finders: dict[str, SpanFinder] = {}
    if settings.entities:
        finders["entities"] = Lexicon(settings.entities, "entity")
    if settings.phrases:
        finders["phrases"] = Lexicon(settings.phrases, "phrase")
    if settings.tags:
        finders["tags"] = DictionaryTags(settings.dictionaries, settings.tags)
    return finders


@dataclass(frozen=True, slots=True)
class EncodingParts:
    """The encoder of a build, with what names its parts."""

    encoder: Encoder
    fingerprints: dict[str, str | None]
    """Of vocabulary, segmenter, entities, phrases and tags; None where there is no such part."""


def make_encoder(settings: BuildSettings) -> EncodingParts:
    """Read vocabulary, dictionaries and lists, and build the encoder. Takes a second or two.

    Raises:
        SettingsError, MissingInputError, DataError: one of them cannot be used.
    """
    vocabulary = load_vocabulary(settings.vocab, settings.cased)
    segmenter = make_segmenter(settings.segmenter, settings.dictionaries)
    finders = make_finders(settings)
    fingerprints: dict[str, str | None] = dict.fromkeys(("entities", "phrases", "tags"))
    fingerprints |= {"vocabulary": vocabulary.fingerprint, "segmenter": segmenter.fingerprint}
    fingerprints |= {name: finder.fingerprint for name, finder in finders.items()}
    return EncodingParts(Encoder(vocabulary, segmenter, list(finders.values())), fingerprints)


def tool_version() -> str:
    """Return this package's version, `0+source` where it is not installed."""
    try:
        return version("cn-bert")
    except PackageNotFoundError:
        return "0+source"


def identity(settings: BuildSettings, fingerprints: Mapping[str, Any], splits: list[Split]) -> dict[str, Any]:
    """Return everything that decides the shards' bytes, as JSON. Names of files and the number of workers do not.

    Inputs are told apart by name, size and time of change, as `make` does: to hash them would be to read them twice.
    """
    files = {split.file.name: split.file for split in splits}
    return {
        "tool": f"corpus-tools {tool_version()}, tokenizers {version('tokenizers')}",
        **fingerprints,
        "read": asdict(settings.read),
        "split_bytes": settings.split_bytes,
        "inputs": {name: [file.n_bytes, _changed(file.path)] for name, file in files.items()},
    }


def _changed(path: str) -> int:
    """Return when a file was last changed, in nanoseconds; 0 for what is no file here."""
    at = Path(path)
    return at.stat().st_mtime_ns if at.exists() else 0
