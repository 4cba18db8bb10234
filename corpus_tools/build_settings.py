"""What a build is asked for, and what of it decides the bytes of the shards."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from corpus_tools.build_changes import FILE_OPTIONS
from corpus_tools.corpus_settings import SegmentedSettings, Stage
from corpus_tools.encode.encoder import Encoder
from corpus_tools.encode.vocabulary import Vocabulary, load_vocabulary
from corpus_tools.errors import SettingsError, nearest
from corpus_tools.files import content_hash
from corpus_tools.schema import Document
from corpus_tools.shards.manifest import Part
from corpus_tools.spans import DictionaryTags, GivenSpans, Knowledge, Lexicon, SpanFinder
from corpus_tools.spans.dictionary_tags import DEFAULT_TAGS
from corpus_tools.text.predictions import Predictions
from corpus_tools.text.simplify import Simplifier
from corpus_tools.text.splits import Split

ListFile = tuple[str | None, str]
"""(kind, path); the kind None is the file's stem."""

ENGINES: Final = ("local", "ray")
"""Worker processes of this machine, or tasks of a Ray cluster."""

LEAST_LENGTH: Final = 8
"""Positions of a model: fewer are a slip, for [CLS] and [SEP] alone take three of a pair's."""

SAMPLE: Final = Document("", "", "<p>研究生命的起源&mdash;&#8212;研究生命的起源，研究生命的起源。</p>")
"""A text that all steps of cleaning and all filters have to look at."""

_BESIDE_THE_BYTES: Final = ("out", "workers", "engine", "ray_address", "part")
"""Settings that say where and how a build is done, and nothing about what it writes."""
_NOT_CHOICES: Final = ("inputs", "model_max_length", *FILE_OPTIONS)
"""Settings that do not decide the bytes by themselves: what counts is in the files that some name."""


@dataclass(frozen=True, kw_only=True)
class BuildSettings(SegmentedSettings):
    """All that `corpus-tools build` can be told. `out` is the shard folder."""

    vocab: str
    """A vocab.txt or a folder with a saved BERT tokenizer."""
    cased: bool = False
    """Keep upper and lower case apart, where the vocabulary does not say."""
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
    model_max_length: int = 512
    """Written into the shards' tokenizer: the positions of the models it is for."""
    engine: str = "local"
    """One of ENGINES."""
    ray_address: str | None = None
    """The Ray cluster; None takes RAY_ADDRESS where it is set, else one begun on this machine."""
    part: Part | None = None
    """The share of the shards to build; None builds all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.engine not in ENGINES:
            raise SettingsError(f"engine: '{self.engine}' is not known.{nearest(self.engine, ENGINES)}")
        if self.model_max_length < LEAST_LENGTH:
            found = f"{self.model_max_length} is below {LEAST_LENGTH}"
            raise SettingsError(f"model_max_length: {found}; BERT has 512")
        if self.ray_address and self.engine != "ray":
            raise SettingsError("ray_address: only the engine ray takes it. Add --engine ray")

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, without those that do not enter the bytes."""
        kept = {name: value for name, value in asdict(self).items() if name not in _BESIDE_THE_BYTES}
        found: dict[str, Any] = json.loads(json.dumps(kept))  # lists for tuples, as they are read again
        return found


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
    """Between reading and encoding, in this order."""
    versions: dict[str, str | None]
    """Fingerprints of segmenter, simplifier and span finders; None where there is no such part."""
    files: dict[str, list[list[str]]]
    """[kind, hash of what is in it] of each file, by the settings of FILE_OPTIONS; the kind is "" for most."""

    def compile(self) -> None:
        """Compile what documents will need, or load it: a third of a second, where compiling takes ten.

        Compiled code is kept for other processes, so those that begin afterwards do not compile it once more.
        """
        for stage in self.stages:
            list(stage(iter([SAMPLE])))
        self.encoder.encode([])  # of no document, for a segmenter of the user's should see the user's texts alone


def make_encoder(settings: BuildSettings) -> EncodingParts:
    """Read vocabulary, dictionaries and lists, and build the encoder. Takes a second or two.

    Raises:
        SettingsError, MissingInputError, DataError: one of them cannot be used.
    """
    vocabulary = load_vocabulary(settings.vocab, settings.cased)
    segmenter = settings.make_segmenter()
    simplifier = settings.make_simplifier()
    finders = make_finders(settings, simplifier)
    predictions = Predictions(settings.spans) if settings.spans else None
    drop = settings.drop_list()
    versions: dict[str, str | None] = dict.fromkeys(("entities", "phrases", "knowledge", "tags"))
    versions["segment_as"] = simplifier.fingerprint if simplifier else None
    versions["segmenter"] = segmenter.fingerprint
    versions |= {name: finder.fingerprint for name, finder in finders.items()}
    files = {setting: list[list[str]]() for setting in FILE_OPTIONS}
    files["vocab"] = [["", Vocabulary(vocabulary.tokens).fingerprint]]  # whatever its case, which is a setting
    files["dictionaries"] = [["", content_hash(path)] for path in settings.dictionaries]
    files |= {name: [*map(list, finder.files)] for name, finder in finders.items() if isinstance(finder, Lexicon)}
    files |= {"spans": [["", predictions.fingerprint]]} if predictions else {}
    files |= {"drop": [["", drop.fingerprint]]} if drop else {}
    encoder = Encoder(vocabulary, segmenter, list(finders.values()), simplifier)
    return EncodingParts(encoder, settings.stages(drop, predictions), versions, files)


def tool_version() -> str:
    """Return this package's version, `0+source` where it is not installed."""
    try:
        return version("cn-bert")
    except PackageNotFoundError:
        return "0+source"


def identity(settings: BuildSettings, parts: EncodingParts, splits: list[Split]) -> dict[str, Any]:
    """Return everything that decides the shards' bytes, as JSON. Places of files and the number of workers do not.

    Inputs are told apart by name, size and time of change, as `make` does: to hash them would be to read them twice.
    """
    chosen = {name: value for name, value in settings.to_json().items() if name not in _NOT_CHOICES}
    chosen |= {"clean": sorted(set(settings.clean)), "cased": not parts.encoder.vocabulary.lower_case}
    inputs = {split.file.name: split.file for split in splits}
    return {
        "tool": f"corpus-tools {tool_version()}, tokenizers {version('tokenizers')}",
        "settings": chosen,
        "versions": parts.versions,
        "files": parts.files,
        "inputs": [
            {"name": name, "bytes": file.n_bytes, "changed": _changed(file.path)} for name, file in inputs.items()
        ],
    }


def _changed(path: str) -> int:
    """Return when a file was last changed, in nanoseconds; 0 for what is no file here."""
    at = Path(path)
    return at.stat().st_mtime_ns if at.exists() else 0
