"""Find the input files that a command line means: files, archives, folders, and data sets that `datasets` loads.

Each file of text is looked into: its encoding is decided here, before anything is split or written.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, get_args

from corpus_tools.errors import DataError, MissingInputError, SettingsError
from corpus_tools.files import HEAD_BYTES, check_kind, damage_named, open_bytes, utf8_name
from corpus_tools.text.archives import ARCHIVES, MAX_MEMBERS, Member, is_archive, members
from corpus_tools.text.detect import Sample, decide, sample_file, sample_stream
from corpus_tools.text.encodings import AUTO, BY_FORMAT, UTF8, BadBytes, Decision, codec_of
from corpus_tools.unpack import MAX_UNPACKED, Allowance, packed_suffix

Format = Literal["txt", "jsonl", "columns", "parquet", "saved", "datasets", "archive"]
"""`saved`: a folder that `Dataset.save_to_disk` wrote. `datasets`: what `load_dataset` loads by name or path."""

TEXT: Final = ("txt", "jsonl", "columns")
"""Formats of files of text."""

HUB: Final = "hf:"
"""hf:NAME[/CONFIG][:SPLIT] is loaded by `datasets`; NAME is `set`, `owner/set` or a path that begins with . or /."""

_FORMATS: Final[dict[str, Format]] = {
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".conll": "columns",
    ".bio": "columns",
    ".parquet": "parquet",
}

_KNOWN: Final = f"{', '.join(_FORMATS)}, all but Parquet also as .gz, .xz or .zst; {', '.join(ARCHIVES)}"

_SHARD_FOLDER: Final = frozenset({"manifest.json", "build.json"})
"""One of these beside a folder `tokenizer` is what a build has written."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How documents are read from input files."""

    document_ends: Literal["blank_line", "file"] = "blank_line"
    """What ends a document of a .txt file."""
    text_field: str = "text"
    """The field or column that holds the document, in .jsonl and Parquet."""
    span_field: str = "spans"
    """The field or column that holds spans of the document, where there is one."""
    inline_tags: tuple[str, ...] = ()
    """Kinds of tags, <KIND> and </KIND>, that are taken out of every text and mark spans, in place of `span_field`."""
    document_sentences: int = 1
    """Sentences of a document of a .conll or .bio file; 0: as many as stand before the next -DOCSTART-."""
    max_document_chars: int = 100_000_000
    """A longer document, in characters, is rejected; at least 1."""
    encoding: str = AUTO
    """Of all files of text: a name of `encodings.ENCODINGS`; AUTO decides for each file."""
    bad_bytes: BadBytes = "reject"
    """What is done with a document that cannot be decoded."""
    max_members: int = MAX_MEMBERS
    """An archive of more is refused; at least 1."""
    max_unpacked: int = MAX_UNPACKED
    """A packed file or an archive that unpacks to more bytes is refused; at least 1."""

    def __post_init__(self) -> None:
        codec_of(self.encoding)
        if self.bad_bytes not in get_args(BadBytes):
            raise SettingsError(f"bad_bytes: {self.bad_bytes!r} is not known. Known: {', '.join(get_args(BadBytes))}")
        if min(self.max_members, self.max_unpacked) < 1:
            raise SettingsError(f"max_members: {self.max_members}, max_unpacked: {self.max_unpacked}; one is below 1")
        if self.document_ends not in ("blank_line", "file"):
            raise SettingsError(f"document_ends: {self.document_ends!r} is neither 'blank_line' nor 'file'")
        if not self.text_field:
            raise SettingsError("text_field: is empty; name the field that holds the text")
        if not all(self.inline_tags):
            raise SettingsError(f"inline_tags: {self.inline_tags} has an empty kind")
        if self.document_sentences < 0:
            raise SettingsError(f"document_sentences: {self.document_sentences} is below 0")
        if self.max_document_chars < 1:
            raise SettingsError(f"max_document_chars: {self.max_document_chars} is below 1")


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file of text in an archive."""

    name: str
    """What document ids begin with: ARCHIVE!/path/in/it."""
    format: Format
    decided: Decision
    n_bytes: int
    """Its size in the archive."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file, one archive, or one data set that is read as a whole."""

    name: str
    """What document ids begin with: the file's name, FOLDER/path/in/it, or the hf: address."""
    path: str
    """Where it is; for format `datasets` the address without hf:."""
    format: Format
    decided: Decision = BY_FORMAT
    """Its encoding, where it is a file of text."""
    members: tuple[ArchivedFile, ...] = ()
    """What is read of an archive."""

    @property
    def packed(self) -> bool:
        """Whether it is compressed as a whole."""
        return bool(packed_suffix(self.path))

    @property
    def whole(self) -> bool:
        """Whether reading cannot begin in its middle."""
        return self.packed or self.decided.wide or self.format not in ("txt", "jsonl")

    @property
    def n_bytes(self) -> int:
        """Bytes on disk; 0 where that is not known."""
        if self.format == "datasets":
            return 0
        path = Path(self.path)
        parts = path.glob("*.arrow") if self.format == "saved" else [path]
        try:
            return sum(part.stat().st_size for part in parts)
        except FileNotFoundError as error:
            raise MissingInputError(f"{self.path}: is no longer there") from error


def find_inputs(inputs: Sequence[str], settings: ReadSettings | None = None) -> list[InputFile]:
    """List the files that `inputs` name, in the given order; a folder's own in order of their names.

    Files of unknown kinds in a folder or an archive are left out with a warning, and shard folders in a folder; hidden
    files in silence. Another warning tells of files that are not UTF-8.

    Raises:
        MissingInputError: nothing is there.
        DataError: a file of an unknown kind is named, a folder holds nothing of a known one, the encoding of a file
            cannot be told, or an archive is damaged.
        RefusedError: an archive is not safe.
        SettingsError: two inputs would give their documents the same ids.
    """
    settings = settings or ReadSettings()
    found = [_looked_into(file, settings) for name in inputs for file in _find(name)]
    seen: dict[str, InputFile] = {}
    for file in found:
        first = seen.setdefault(file.name, file)
        if first is not file:
            raise SettingsError(
                f"{file.path}: documents would get the same ids ({file.name}:1, ...) as those of {first.path}. "
                "Rename one, or put both into one folder and name that"
            )
    if settings.encoding == AUTO:
        _say_encodings(found)
    return found


def encodings_of(files: Iterable[InputFile]) -> dict[str, dict[str, int]]:
    """Count the files of each encoding, and their bytes as stored: {encoding: {"files", "bytes"}}."""
    counts: dict[str, dict[str, int]] = {}
    for file in _parts(files):
        count = counts.setdefault(file.decided.encoding, {"files": 0, "bytes": 0})
        count["files"] += 1
        count["bytes"] += file.n_bytes
    return counts


def _parts(files: Iterable[InputFile]) -> Iterator[InputFile | ArchivedFile]:
    for file in files:
        yield from file.members if file.format == "archive" else (file,)


def _say_encodings(files: Sequence[InputFile]) -> None:
    first = {file.decided.encoding: file for file in reversed(list(_parts(files)))}
    for encoding, count in encodings_of(files).items():
        if encoding != UTF8:
            n, file = count["files"], first[encoding]
            _log.warning("read as %s: %d files, the first is %s (%s)", encoding, n, file.name, file.decided.why)


def _find(name: str) -> list[InputFile]:
    if name.startswith(HUB):
        return _find_data_set(name)
    path = Path(name)
    if path.is_dir():
        return _find_saved(path) or _find_in_folder(path)
    if not path.exists():
        raise MissingInputError(f"{name}: no such file or folder")
    kind = _format(path.name)
    if kind is None or not path.is_file():
        raise DataError(f"{name}: not a file of a known kind. Known: {_KNOWN}")
    return [InputFile(utf8_name(path.name), name, kind)]


def _find_in_folder(folder: Path) -> list[InputFile]:
    root = utf8_name(Path(os.path.abspath(folder)).name)
    files, unknown = [], Counter[str]()
    for path in sorted(_visible_files(folder)):
        kind = _format(path.name)
        if kind is None:
            unknown[path.suffix or path.name] += 1
        else:
            files.append(InputFile(f"{root}/{utf8_name(path.relative_to(folder).as_posix())}", str(path), kind))
    _say_unknown(str(folder), unknown)
    if not files:
        raise DataError(f"{folder}: holds no file of a known kind. Known: {_KNOWN}")
    return files


def _say_unknown(place: str, unknown: Counter[str]) -> None:
    if unknown:
        left_out = ", ".join(f"{count} {suffix}" for suffix, count in unknown.most_common(5))
        _log.warning("%s: %d files of unknown kinds are not read (%s)", place, unknown.total(), left_out)


def _visible_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        if "tokenizer" in folders and not _SHARD_FOLDER.isdisjoint(names):
            _log.warning("%s: is a shard folder and is not read", parent)
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _find_saved(folder: Path) -> list[InputFile]:
    """Recognise what `save_to_disk` wrote: a data set, or a folder of one for each split; else return nothing."""
    root = utf8_name(Path(os.path.abspath(folder)).name)
    if (folder / "dataset_info.json").is_file() and (folder / "state.json").is_file():
        return [InputFile(root, str(folder), "saved")]
    if not (folder / "dataset_dict.json").is_file():
        return []
    splits: list[str] = json.loads((folder / "dataset_dict.json").read_bytes())["splits"]
    return [InputFile(f"{root}/{split}", str(folder / split), "saved") for split in splits]


def _find_data_set(address: str) -> list[InputFile]:
    place, split = split_address(address.removeprefix(HUB))
    if not place:
        raise SettingsError(f"{address!r}: write hf:NAME[/CONFIG][:SPLIT]")
    saved = _find_saved(Path(place)) if is_path(place) else []
    chosen = [file for file in saved if len(saved) == 1 or split is None or file.name.endswith(f"/{split}")]
    if saved and not chosen:
        names = ", ".join(Path(file.path).name for file in saved)
        raise DataError(f"{address}: no split {split!r}. It has: {names}")
    return chosen or [InputFile(address, address.removeprefix(HUB), "datasets")]


def split_address(address: str) -> tuple[str, str | None]:
    """Take NAME[:SPLIT] apart; a colon within a path's folders is the path's own."""
    place, colon, split = address.rpartition(":")
    return (place, split or None) if colon and "/" not in split else (address, None)


def is_path(place: str) -> bool:
    """Tell a path from a name on the hub: a path begins with . or /."""
    return place.startswith((".", "/"))


def _format(name: str) -> Format | None:
    if is_archive(name):
        return "archive"
    kind = _FORMATS.get(_unpacked(name).suffix.lower())
    return None if kind == "parquet" and packed_suffix(name) else kind


def _unpacked(name: str) -> Path:
    """Return what says the kind: "a.jsonl" of "a.jsonl" and of "a.jsonl.xz"."""
    return Path(Path(name).stem if packed_suffix(name) else name)


def _looked_into(file: InputFile, settings: ReadSettings) -> InputFile:
    """Decide the encoding of a file of text; of an archive, those of its files."""
    if file.format == "archive":
        return replace(file, members=tuple(_archived(file, settings)))
    if file.format not in TEXT:
        return file
    with open_bytes(file.path, Allowance(file.path, settings.max_unpacked)) as stream, damage_named(file.path):
        samples = sample_stream(stream) if file.packed else sample_file(stream, file.n_bytes)
    return replace(file, decided=_decided(file.path, file.path, samples, settings))


def _archived(file: InputFile, settings: ReadSettings) -> Iterator[ArchivedFile]:
    unknown, seen = Counter[str](), set[str]()
    with damage_named(file.path):
        for member in members(file.path, settings.max_members, settings.max_unpacked):
            if any(part.startswith(".") for part in member.name.split("/")):
                continue
            kind = _format(member.name)
            if kind not in TEXT:
                unknown[Path(member.name).suffix or member.name] += 1
                continue
            name = archived_name(file, member)
            if name in seen:
                raise DataError(f"{file.path}: holds {member.name!r} twice. Unpack it, and name the folder")
            seen.add(name)
            with member.open() as stream:
                samples = sample_stream(stream)
            yield ArchivedFile(name, kind, _decided(name, member.name, samples, settings), member.n_bytes)
    _say_unknown(file.path, unknown)


def archived_name(file: InputFile, member: Member) -> str:
    """Return what the ids of the documents in a member begin with."""
    return f"{file.name}!/{utf8_name(member.name)}"


def _decided(place: str, name: str, samples: Sequence[Sample], settings: ReadSettings) -> Decision:
    # What was unpacked may be packed once more, as in the archive that holds itself.
    check_kind(place, _unpacked(name).name, samples[0].raw[:HEAD_BYTES])
    codec = codec_of(settings.encoding)
    decided = decide(place, samples) if codec == AUTO else Decision(codec, "--encoding names it")
    begin = samples[0].raw[:1024].decode(decided.encoding, "ignore").lstrip("\ufeff \t\r\n")
    # As lines, all of it would be rejected without saying why.
    if _unpacked(name).suffix.lower() == ".json" and begin.startswith("["):
        raise DataError(f"{place}: a JSON array, expected one object a line. Convert it: jq -c '.[]'")
    return decided
