"""The output folder of a build: whose it is, what is left over in it, and how it becomes a finished shard folder."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import copyfileobj, rmtree
from typing import Any, Final

from corpus_tools.encode.counts import Counts
from corpus_tools.errors import DataError, DiskError, OutputError
from corpus_tools.shards.manifest import MANIFEST, REJECTS, TOKENIZER, Accounting, Manifest, load_manifest
from corpus_tools.shards.write import ShardRecord, record_path, rejects_path
from corpus_tools.storage import replace_whole, write_json

BEGUN: Final = "build.json"
"""What the build in this folder is; gone once there is a manifest."""


def key_of(identity: Mapping[str, Any]) -> str:
    """Return a hash of everything that decides the shards' bytes."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def examine(folder: Path, identity: Mapping[str, Any]) -> Manifest | None:
    """Make sure that a folder is free or this build's. Returns the manifest where the build is finished and whole.

    Raises:
        OutputError: the folder is of a build with other settings, or holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file. --out names the folder to write")
    if not folder.exists():
        return None
    manifest = load_manifest(folder) if (folder / MANIFEST).is_file() else None
    there = manifest.identity if manifest else _begun(folder)
    if there is not None:
        # Compared as it was saved: JSON knows no tuples.
        if differs := difference(there, json.loads(json.dumps(identity))):
            raise OutputError(
                f"{folder}: holds shards of other settings: {differs}. Take another --out, or remove the folder to "
                "build it anew"
            )
    elif others := sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")):
        raise OutputError(f"{folder}: is not empty ({', '.join(others[:3])}) and no shard folder. Take another --out")
    return manifest if manifest and _sizes_agree(folder, manifest) else None


def claim(folder: Path, identity: Mapping[str, Any], settings: Mapping[str, Any]) -> Manifest | None:
    """Take a folder for a build, or return the manifest where the build is finished and whole.

    Raises:
        OutputError: as `examine`.
    """
    manifest = examine(folder, identity)
    if manifest is None:
        clear_temporary(folder)
        # Before the manifest of a build that lost a shard goes, so that the folder never looks like a stranger's.
        write_json(folder / BEGUN, {"identity": identity, "settings": settings})
        (folder / MANIFEST).unlink(missing_ok=True)
    return manifest


def _begun(folder: Path) -> dict[str, Any] | None:
    try:
        saved = json.loads((folder / BEGUN).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        saved = None
    if not isinstance(saved, dict) or not isinstance(saved.get("identity"), dict):
        raise OutputError(f"{folder / BEGUN}: cannot be read. Remove the folder to build it anew")
    found: dict[str, Any] = saved["identity"]
    return found


def _sizes_agree(folder: Path, manifest: Manifest) -> bool:
    paths = [(folder / shard.file, shard.bytes) for shard in manifest.shards]
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Say in words what differs first between two identities; nothing where nothing does."""
    for name in [*here, *(name for name in there if name not in here)]:
        old, new = there.get(name), here.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            return f"{name}: {difference(old, new)}"
        return f"{name} is {_short(old)} there and {_short(new)} here"
    return ""


def _short(value: Any) -> str:
    text = "not set" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # Fingerprints begin with what they are of and end with what differs.
    return text if len(text) <= 40 else f"{text[:16]}...{text[-12:]}"


def clear_temporary(folder: Path) -> None:
    """Remove what a killed build left half-written."""
    for path in folder.glob("*.tmp-*"):
        path.unlink(missing_ok=True)


def account_for(records: Sequence[ShardRecord]) -> tuple[Accounting, Counts]:
    """Sum up what became of the documents of all splits.

    Raises:
        DataError: no document was left.
    """
    counts, dropped = Counts(), Counter[str]()
    for record in records:
        counts.add(Counts.from_json(record.counters))
        dropped.update(record.dropped)
    accounting = Accounting(sum(record.documents_in for record in records), counts.documents, dict(dropped))
    assert accounting.balances(), accounting
    if not accounting.documents_out:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in dropped.most_common()) or "there was none"
        raise DataError(f"no document is left of {accounting.documents_in:,} that were read ({reasons})")
    return accounting, counts


def join_rejects(folder: Path, n_shards: int) -> None:
    """Put the rejects of all shards behind each other, in order.

    Raises:
        DiskError: the disk is full or refuses.
    """
    whole, temporary = folder / REJECTS, folder / f"{REJECTS}.tmp-join"
    try:
        with temporary.open("wb") as to:
            for number in range(n_shards):
                with rejects_path(folder, number).open("rb") as part:
                    copyfileobj(part, to)
        replace_whole(temporary, whole)
    except OSError as error:
        raise DiskError(f"{whole}: cannot be written: {error.strerror}") from error


def remove_records(folder: Path, n_shards: int) -> None:
    """Remove what only an unfinished build needs."""
    for number in range(n_shards):
        record_path(folder, number).unlink(missing_ok=True)
        rejects_path(folder, number).unlink(missing_ok=True)
    (folder / BEGUN).unlink(missing_ok=True)
    clear_temporary(folder)


def remove_all(folder: Path, n_shards: int) -> None:
    """Remove what the build has written: the folder is as if it had never been."""
    remove_records(folder, n_shards)
    for path in folder.glob("shard-*.arrow"):
        path.unlink()
    rmtree(folder / TOKENIZER, ignore_errors=True)
