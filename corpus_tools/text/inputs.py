"""Find the input files that a command line means: files, folders, and data sets that `datasets` loads."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from corpus_tools.errors import DataError, MissingInputError, SettingsError
from corpus_tools.files import PACKED, damage_named, open_bytes

Format = Literal["txt", "jsonl", "parquet", "saved", "datasets"]
"""`saved`: a folder that `Dataset.save_to_disk` wrote. `datasets`: what `load_dataset` loads by name or path."""

HUB: Final = "hf:"
"""hf:NAME[/CONFIG][:SPLIT] is loaded by `datasets`; NAME is `set`, `owner/set` or a path that begins with . or /."""

_FORMATS: Final[dict[str, Format]] = {".txt": "txt", ".jsonl": "jsonl", ".json": "jsonl", ".parquet": "parquet"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """How documents are read from input files."""

    document_ends: Literal["blank_line", "file"] = "blank_line"
    """What ends a document of a .txt file."""
    text_field: str = "text"
    """The field or column that holds the document, in .jsonl and Parquet."""
    max_document_chars: int = 100_000_000
    """A longer document, in characters, is rejected; at least 1."""

    def __post_init__(self) -> None:
        if self.document_ends not in ("blank_line", "file"):
            raise SettingsError(f"document_ends: {self.document_ends!r} is neither 'blank_line' nor 'file'")
        if not self.text_field:
            raise SettingsError("text_field: is empty; name the field that holds the text")
        if self.max_document_chars < 1:
            raise SettingsError(f"max_document_chars: {self.max_document_chars} is below 1")


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file, or one data set that is read as a whole."""

    name: str
    """What document ids begin with: the file's name, FOLDER/path/in/it, or the hf: address."""
    path: str
    """Where it is; for format `datasets` the address without hf:."""
    format: Format

    @property
    def packed(self) -> bool:
        """Whether it is compressed as a whole, so that reading cannot begin in its middle."""
        return self.path.lower().endswith(PACKED)

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


def find_inputs(inputs: Sequence[str]) -> list[InputFile]:
    """List the files that `inputs` name, in the given order; a folder's own in order of their names.

    Files of unknown kinds in a folder are left out with a warning, hidden ones in silence.

    Raises:
        MissingInputError: nothing is there.
        DataError: a file of an unknown kind is named, or a folder holds nothing of a known one.
        SettingsError: two inputs would give their documents the same ids.
    """
    found = [file for name in inputs for file in _find(name)]
    seen: dict[str, InputFile] = {}
    for file in found:
        first = seen.setdefault(file.name, file)
        if first is not file:
            raise SettingsError(
                f"{file.path}: documents would get the same ids ({file.name}:1, ...) as those of {first.path}. "
                "Rename one, or put both into one folder and name that"
            )
    return found


def _find(name: str) -> list[InputFile]:
    if name.startswith(HUB):
        return _find_data_set(name)
    path = Path(name)
    if path.is_dir():
        return _find_saved(path) or _find_in_folder(path)
    if not path.exists():
        raise MissingInputError(f"{name}: no such file or folder")
    kind = _format(path)
    if kind is None or not path.is_file():
        known = ", ".join(_FORMATS)
        raise DataError(f"{name}: not a file of a known kind. Known: {known}; all but Parquet also as .gz or .xz")
    return [_checked(InputFile(_utf8(path.name), name, kind))]


def _find_in_folder(folder: Path) -> list[InputFile]:
    root = _utf8(Path(os.path.abspath(folder)).name)
    files, unknown = [], Counter[str]()
    for path in sorted(_visible_files(folder)):
        kind = _format(path)
        if kind is None:
            unknown[path.suffix or path.name] += 1
        else:
            files.append(_checked(InputFile(f"{root}/{_utf8(path.relative_to(folder).as_posix())}", str(path), kind)))
    if unknown:
        left_out = ", ".join(f"{count} {suffix}" for suffix, count in unknown.most_common(5))
        _log.warning("%s: %d files of unknown kinds are not read (%s)", folder, unknown.total(), left_out)
    if not files:
        raise DataError(f"{folder}: holds no file of a known kind. Known: {', '.join(_FORMATS)}")
    return files


def _visible_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _find_saved(folder: Path) -> list[InputFile]:
    """Recognise what `save_to_disk` wrote: a data set, or a folder of one for each split; else return nothing."""
    root = _utf8(Path(os.path.abspath(folder)).name)
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


def _suffix(path: Path) -> str:
    """Return what says the kind: ".jsonl" of "a.jsonl" and of "a.jsonl.xz"."""
    return Path(path.stem if path.suffix.lower() in PACKED else path.name).suffix.lower()


def _format(path: Path) -> Format | None:
    kind = _FORMATS.get(_suffix(path))
    return None if kind == "parquet" and path.suffix.lower() in PACKED else kind


def _checked(file: InputFile) -> InputFile:
    """Refuse a .json file that is one long array: as lines, all of it would be rejected without saying why."""
    if _suffix(Path(file.path)) == ".json":
        with open_bytes(file.path) as opened, damage_named(file.path):
            if opened.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                raise DataError(f"{file.path}: a JSON array, expected one object a line. Convert it: jq -c '.[]'")
    return file


def _utf8(name: str) -> str:
    """Write a file name so that it can be stored: names need not be UTF-8 on disk."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
