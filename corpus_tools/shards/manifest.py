"""`manifest.json`: what a shard folder holds, what it was made with, and what became of every document."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from corpus_tools.errors import DataError, MissingInputError, SettingsError
from corpus_tools.schema import MAX_KINDS
from corpus_tools.storage import write_json

MANIFEST: Final = "manifest.json"
TOKENIZER: Final = "tokenizer"
REJECTS: Final = "rejects.jsonl"
REPORT: Final = "report.html"
FORMAT: Final = 1
_SHARD_NAME: Final = re.compile(r"shard-(\d{5,})\.arrow")

Item = TypeVar("Item")


def shard_name(number: int) -> str:
    """Return the file name of a shard: `shard-00003.arrow`."""
    return f"shard-{number:05d}.arrow"


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """One shard file as it was written."""

    file: str
    rows: int
    tokens: int
    bytes: int
    """Size of the file."""
    sha256: str

    @property
    def number(self) -> int:
        """The shard's number in its build."""
        named = _SHARD_NAME.fullmatch(self.file)
        assert named, self.file
        return int(named[1])


@dataclass(frozen=True, slots=True)
class Part:
    """One of the shares that a build is dealt out to, as `--shard 2/7` asks for it.

    Raises:
        SettingsError: the number is not between 1 and `of`.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise SettingsError(f"shard: {self} is no part; the first of 7 is 1/7, the last is 7/7")

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read `NUMBER/OF`.

        Raises:
            SettingsError: it is something else.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII)
        if not found:
            raise SettingsError(f"shard: '{text}' is not NUMBER/OF, as in 2/7")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def of_all(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return what falls to this part when items are dealt out like cards."""
        return items[self.number - 1 :: self.of]


@dataclass(frozen=True, slots=True)
class Accounting:
    """documents_in = documents_out + the sum of dropped."""

    documents_in: int
    documents_out: int
    dropped: dict[str, int]
    """By reason."""

    def balances(self) -> bool:
        """Say whether every document is accounted for."""
        return self.documents_in == self.documents_out + sum(self.dropped.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything about a finished shard folder but the data."""

    tool_version: str
    settings: dict[str, Any]
    """As the build was asked for."""
    identity: dict[str, Any]
    """What a build must share to go on in this folder: sizes of the inputs, hashes of vocabulary and dictionaries."""
    vocabulary: dict[str, Any]
    """{"fingerprint", "size"}."""
    kinds: list[dict[str, str]]
    """{"name", "mark"}, the index is the kind number in `spans`; mark is "entity" or "phrase"."""
    shards: list[ShardEntry]
    accounting: Accounting
    counters: dict[str, Any]
    """`encode.counts.Counts` of all documents that were kept."""
    encodings: dict[str, dict[str, int]] = field(default_factory=dict)
    """{"files", "bytes"} of the inputs in each encoding; bytes as stored."""
    part: Part | None = None
    """Which part of the build this folder is; None for a whole one."""
    format: int = FORMAT

    @property
    def documents(self) -> int:
        """Rows of all shards."""
        return sum(shard.rows for shard in self.shards)

    @property
    def tokens(self) -> int:
        """Tokens of all shards."""
        return sum(shard.tokens for shard in self.shards)

    @property
    def bytes(self) -> int:
        """Size of all shard files."""
        return sum(shard.bytes for shard in self.shards)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that defines the data: vocabulary, kinds, and the shards' bytes in order."""
        parts = [self.vocabulary["fingerprint"], json.dumps(self.kinds), *(shard.sha256 for shard in self.shards)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Write `manifest.json`, whole or not at all."""
        write_json(folder / MANIFEST, asdict(self) | {"fingerprint": self.fingerprint})


def load_manifest(folder: Path | str) -> Manifest:
    """Read a folder's manifest.

    Raises:
        MissingInputError: there is no such folder.
        DataError: there is no manifest, or it is not one of ours.
    """
    path = Path(folder) / MANIFEST
    if not path.parent.is_dir():
        raise MissingInputError(f"{folder}: no such folder. `corpus-tools build ... --out {folder}` makes one")
    if not path.is_file():
        raise DataError(f"{path}: missing, so the build is not finished (or this is no shard folder): run it again")
    try:
        return _parse(json.loads(path.read_text(encoding="utf-8")), path)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: not a manifest of corpus-tools ({error!r}). Build the shards again") from error


def _parse(saved: Mapping[str, Any], path: Path) -> Manifest:
    rest = dict(saved)
    if rest.get("format") != FORMAT:
        raise DataError(f"{path}: format {rest.get('format')!r}, this version reads {FORMAT}. Build the shards again")
    claimed = rest.pop("fingerprint")
    shards = [ShardEntry(**shard) for shard in rest.pop("shards")]
    for shard in shards:
        # A name is joined to the folder's path: one with "../" would lead out of it.
        if not _SHARD_NAME.fullmatch(shard.file):
            raise DataError(f"{path}: '{shard.file}' is not the name of a shard")
    part = rest.pop("part", None)
    made = Manifest(
        shards=shards,
        accounting=Accounting(**rest.pop("accounting")),
        part=Part(**part) if part else None,
        **rest,
    )
    if len(made.kinds) > MAX_KINDS or not all({"name", "mark"} <= kind.keys() for kind in made.kinds):
        raise DataError(f"{path}: kinds are not a list of at most {MAX_KINDS} names and marks")
    if made.fingerprint != claimed:
        raise DataError(f"{path}: was changed by hand: its fingerprint is not that of its shards. Build them again")
    return made
