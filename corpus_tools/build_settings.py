"""What a build is asked for, and what of it decides the bytes of the shards."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from corpus_tools.drop_list import DropList
from corpus_tools.encode.encoder import Encoder
from corpus_tools.encode.vocabulary import load_vocabulary
from corpus_tools.errors import SettingsError, nearest
from corpus_tools.schema import Document
from corpus_tools.segment import Segmenter, build_segmenter
from corpus_tools.shards.manifest import Part
from corpus_tools.spans import DictionaryTags, GivenSpans, Knowledge, Lexicon, SpanFinder
from corpus_tools.spans.dictionary_tags import DEFAULT_TAGS
from corpus_tools.text.clean import Cleaner
from corpus_tools.text.filters import Filters
from corpus_tools.text.inputs import ReadSettings
from corpus_tools.text.predictions import Predictions
from corpus_tools.text.read import Reject
from corpus_tools.text.simplify import Simplifier
from corpus_tools.text.splits import DEFAULT_SPLIT_BYTES, Split

Stage = Callable[[Iterator[Document | Reject]], Iterator[Document | Reject]]
"""Takes what was read, changes documents or puts Rejects in their places, and passes on what was rejected before."""

ListFile = tuple[str | None, str]
"""(kind, path); the kind None is the file's stem."""

ENGINES: Final = ("local", "ray")
"""Worker processes of this machine, or tasks of a Ray cluster."""

_BESIDE_THE_BYTES: Final = ("out", "workers", "engine", "ray_address", "part")
"""Settings that say where and how a build is done, and nothing about what it writes."""


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
    segment_as: str | None = None
    """`simplified`: words, and entries of lists, are looked for in a simplified copy of the text."""
    clean: tuple[str, ...] = ()
    """Names of `text.clean.STEPS`, in any order."""
    filters: Filters = field(default_factory=Filters)
    """What a document must be like, once it is clean."""
    drop: str | None = None
    """A list of documents to leave out, as `corpus-tools dedup` writes it."""
    kinds: tuple[str, ...] = ()
    """Entities that documents, or `spans`, may come marked with; those of `read.inline_tags` are known without."""
    phrase_kinds: tuple[str, ...] = ()
    """The same for phrases."""
    spans: str | None = None
    """A file of predictions: spans by the documents' ids."""
    entities: tuple[ListFile, ...] = ()
    phrases: tuple[ListFile, ...] = ()
    knowledge: tuple[ListFile, ...] = ()
    """Files of triples whose subjects are entities."""
    tags: tuple[str, ...] = DEFAULT_TAGS
    """Dictionary tags whose words are entities; none where it is empty."""
    read: ReadSettings = field(default_factory=ReadSettings)
    split_bytes: int = DEFAULT_SPLIT_BYTES
    """A plain file above this is cut into several shards."""
    model_max_length: int = 512
    """Written into the shards' tokenizer: the positions of the models it is for."""
    workers: int = 0
    """Worker processes; 0 takes one for each processor this process may use, or all of the Ray cluster."""
    engine: str = "local"
    """One of ENGINES."""
    ray_address: str | None = None
    """The Ray cluster; None takes RAY_ADDRESS where it is set, else one begun on this machine."""
    part: Part | None = None
    """The share of the shards to build; None builds all."""

    def __post_init__(self) -> None:
        if not self.inputs:
            raise SettingsError("build: no input is named. Give files or folders of text")
        if self.workers < 0:
            raise SettingsError(f"workers: {self.workers} is below 0")
        if self.engine not in ENGINES:
            raise SettingsError(f"engine: '{self.engine}' is not known.{nearest(self.engine, ENGINES)}")
        if self.ray_address and self.engine != "ray":
            raise SettingsError("ray_address: only the engine ray takes it. Add --engine ray")
        if self.dictionaries and self.segmenter != "jieba":
            raise SettingsError(f"dictionaries: only the segmenter jieba reads them, not '{self.segmenter}'")
        if self.segment_as not in (None, "simplified"):
            raise SettingsError(f"segment_as: '{self.segment_as}' is not known. Known: simplified")
        if "spaces" in self.clean and self.segmenter == "presegmented":
            raise SettingsError("clean: the step spaces takes out what is between the words of presegmented text")

    @property
    def n_workers(self) -> int:
        """Worker processes that are meant."""
        return self.workers or len(os.sched_getaffinity(0))

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, without those that do not enter the bytes."""
        kept = {name: value for name, value in asdict(self).items() if name not in _BESIDE_THE_BYTES}
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


def make_finders(settings: BuildSettings, simplifier: Simplifier | None) -> dict[str, SpanFinder]:
    """Build the span finders by the option that asks for them, the one to be believed first before the others.

    A person or a tagger that marked this very text knows best, then the lists that were chosen for it, then a graph
    made for something else, then a dictionary made for all texts.
    """
    tagged = [kind for kind in settings.read.inline_tags if kind not in settings.phrase_kinds]
    finders: dict[str, SpanFinder] = {
        "given": GivenSpans(list(dict.fromkeys([*settings.kinds, *tagged])), settings.phrase_kinds)
    }
    if settings.entities:
        finders["entities"] = Lexicon(settings.entities, "entity", simplifier)
    if settings.phrases:
        finders["phrases"] = Lexicon(settings.phrases, "phrase", simplifier)
    if settings.knowledge:
        finders["knowledge"] = Knowledge(settings.knowledge, "entity", simplifier)
    if settings.tags:
        finders["tags"] = DictionaryTags(settings.dictionaries, settings.tags)
    return finders


@dataclass(frozen=True, slots=True)
class EncodingParts:
    """The encoder of a build, with what its documents pass before, and what names its parts."""

    encoder: Encoder
    stages: tuple[Stage, ...]
    """Between reading and encoding, in this order. Predicted spans come before what changes the text: they are counted
    in the text as read."""
    fingerprints: dict[str, str | None]
    """Of vocabulary, segmenter, simplifier, lists, predictions and span finders; None where there is no such part."""


def make_encoder(settings: BuildSettings) -> EncodingParts:
    """Read vocabulary, dictionaries and lists, and build the encoder. Takes a second or two.

    Raises:
        SettingsError, MissingInputError, DataError: one of them cannot be used.
    """
    vocabulary = load_vocabulary(settings.vocab, settings.cased)
    segmenter = make_segmenter(settings.segmenter, settings.dictionaries)
    simplifier = Simplifier() if settings.segment_as else None
    finders = make_finders(settings, simplifier)
    predictions = Predictions(settings.spans) if settings.spans else None
    drop = DropList(settings.drop) if settings.drop else None
    stages: list[Stage] = [drop.sift] if drop else []
    if predictions:
        stages.append(predictions.added_to)
    if settings.clean:
        stages.append(Cleaner(settings.clean).clean_all)
    if settings.filters != Filters():
        stages.append(settings.filters.sift)
    fingerprints: dict[str, str | None] = dict.fromkeys(("entities", "phrases", "knowledge", "tags"))
    fingerprints["drop"] = drop.fingerprint if drop else None
    fingerprints["spans"] = predictions.fingerprint if predictions else None
    fingerprints["segment_as"] = simplifier.fingerprint if simplifier else None
    fingerprints |= {"vocabulary": vocabulary.fingerprint, "segmenter": segmenter.fingerprint}
    fingerprints |= {name: finder.fingerprint for name, finder in finders.items()}
    encoder = Encoder(vocabulary, segmenter, list(finders.values()), simplifier)
    return EncodingParts(encoder, tuple(stages), fingerprints)


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
        "read": settings.to_json()["read"],
        "clean": sorted(set(settings.clean)),
        "filters": asdict(settings.filters),
        "split_bytes": settings.split_bytes,
        "inputs": {name: {"bytes": file.n_bytes, "changed": _changed(file.path)} for name, file in files.items()},
    }


def _changed(path: str) -> int:
    """Return when a file was last changed, in nanoseconds; 0 for what is no file here."""
    at = Path(path)
    return at.stat().st_mtime_ns if at.exists() else 0
