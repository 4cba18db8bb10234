"""The output folder of a build: whose it is, what is left over in it, and how it becomes a finished shard folder."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from shutil import copyfileobj, rmtree
from typing import Any, Final

from corpus_tools.build_changes import Basis, difference
from corpus_tools.build_report import write_build_report
from corpus_tools.encode.counts import Counts
from corpus_tools.errors import DataError, DiskError, OutputError
from corpus_tools.shards.manifest import MANIFEST, REJECTS, REPORT, TOKENIZER, Accounting, Manifest, Part, load_manifest
from corpus_tools.shards.read import open_vocabulary, shards_of
from corpus_tools.shards.write import ShardRecord, finished, record_path, rejects_path
from corpus_tools.storage import replace_whole, temporary_beside, write_json

BEGUN: Final = "build.json"
"""What the build in this folder is; gone once there is a manifest."""


def key_of(identity: Mapping[str, Any]) -> str:
    """Return a hash of everything that decides the shards' bytes."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def examine(folder: Path, basis: Basis, part: Part | None) -> Manifest | None:
    """Make sure that a folder is free or this build's. Returns the manifest where the build is finished and whole.

    A folder in which a build began and has finished no shard is free.

    Raises:
        OutputError: the folder is of a build with other settings or of another part, or holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file. --out names the folder to write")
    if not folder.exists():
        return None
    manifest = load_manifest(folder) if (folder / MANIFEST).is_file() else None
    there = (Basis(manifest.identity, manifest.settings), manifest.part) if manifest else _begun(folder)
    if there is not None:
        if manifest or _has_shards(folder):
            _compare(folder, there, basis, part)
    elif others := sorted(path.name for path in folder.iterdir() if not path.name.startswith((".", f"{BEGUN}.tmp-"))):
        raise OutputError(f"{folder}: is not empty ({', '.join(others[:3])}) and no shard folder. Take another --out")
    return manifest if manifest and _is_whole(folder, manifest) else None


def _compare(folder: Path, there: tuple[Basis, Part | None], basis: Basis, part: Part | None) -> None:
    if differs := difference(there[0], basis):
        raise OutputError(
            f"{folder}: holds shards of another build: {differs}. Undo that, take another --out, or remove the folder "
            "to build it anew"
        )
    if there[1] != part:
        holds, asked = (f"part {each} of the build" if each else "the whole build" for each in (there[1], part))
        raise OutputError(f"{folder}: holds {holds}, asked for is {asked}. Take another --out")


def claim(folder: Path, basis: Basis, part: Part | None = None) -> Manifest | None:
    """Take a folder for a build, or return the manifest where the build is finished and whole.

    Raises:
        OutputError: as `examine`.
    """
    manifest = examine(folder, basis, part)
    if manifest is None:
        clear_temporary(folder)
        if not (folder / MANIFEST).exists() and not _has_shards(folder):
            for path in folder.glob("shard-*"):  # without their records, and perhaps of another build
                path.unlink()
        # Before the manifest of a build that lost a shard goes, so that the folder never looks like a stranger's.
        begun = {**asdict(basis), "part": asdict(part) if part else None}
        write_json(folder / BEGUN, begun)
        (folder / MANIFEST).unlink(missing_ok=True)
    return manifest


def _has_shards(folder: Path) -> bool:
    """Say whether a shard is finished. Those of a finished build have no record any more."""
    return any(folder.glob("shard-*.json"))


def _begun(folder: Path) -> tuple[Basis, Part | None] | None:
    """Return what the build is made of that began here, and its part."""
    try:
        saved = json.loads((folder / BEGUN).read_text(encoding="utf-8"))
        return Basis(saved["identity"], saved["settings"]), Part(**saved["part"]) if saved["part"] else None
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise OutputError(f"{folder / BEGUN}: cannot be read. Remove the folder to build it anew") from error


def _is_whole(folder: Path, manifest: Manifest) -> bool:
    """Say whether all is there that the manifest lists; of a part that is also what `merge` needs."""
    if manifest.part:
        key = key_of(manifest.identity)
        return all(finished(folder, shard.number, key) for shard in manifest.shards)
    paths = [(folder / shard.file, shard.bytes) for shard in manifest.shards]
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def clear_temporary(folder: Path) -> None:
    """Remove what a killed build left half-written."""
    for path in folder.glob("*.tmp-*"):
        path.unlink(missing_ok=True)


def finish(folder: Path, unfilled: Manifest, records: Sequence[ShardRecord]) -> Manifest:
    """Turn a folder whose shards are done into a shard folder.

    Args:
        folder: holds the shards, and their rejects beside them.
        unfilled: the manifest without what the records say.
        records: of all shards that belong here, in their order.

    Raises:
        DataError: no document is left in the whole corpus. DiskError.
    """
    accounting, counts = _account_for(records)
    manifest = replace(
        unfilled, shards=[record.shard for record in records], accounting=accounting, counters=counts.to_json()
    )
    if not accounting.documents_out and not manifest.part:
        remove_all(folder, manifest)
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in accounting.dropped.items()) or "there was none"
        raise DataError(f"no document is left of {accounting.documents_in:,} that were read ({reasons})")
    _join_rejects(folder, [shard.number for shard in manifest.shards])
    write_build_report(folder / REPORT, shards_of(folder, manifest, open_vocabulary(folder, manifest)))
    manifest.save(folder)
    return manifest


def _account_for(records: Iterable[ShardRecord]) -> tuple[Accounting, Counts]:
    """Sum up what became of the documents of all splits."""
    counts, dropped, documents_in = Counts(), Counter[str](), 0
    for record in records:
        counts.add(Counts.from_json(record.counters))
        dropped.update(record.dropped)
        documents_in += record.documents_in
    accounting = Accounting(documents_in, counts.documents, dict(sorted(dropped.items())))
    assert accounting.balances(), accounting
    return accounting, counts


def _join_rejects(folder: Path, numbers: Sequence[int]) -> None:
    """Put the rejects of shards behind each other.

    Raises:
        DiskError: the disk is full or refuses.
    """
    whole = folder / REJECTS
    temporary = temporary_beside(whole)
    try:
        with temporary.open("wb") as to:
            for number in numbers:
                with rejects_path(folder, number).open("rb") as part:
                    copyfileobj(part, to)
        replace_whole(temporary, whole)
    except OSError as error:
        raise DiskError(f"{whole}: cannot be written: {error.strerror}") from error


def tidy(folder: Path, manifest: Manifest) -> None:
    """Remove what only an unfinished build needs. A part keeps its shards' records and rejects for `merge`."""
    if not manifest.part:
        for shard in manifest.shards:
            record_path(folder, shard.number).unlink(missing_ok=True)
            rejects_path(folder, shard.number).unlink(missing_ok=True)
    (folder / BEGUN).unlink(missing_ok=True)
    clear_temporary(folder)


def remove_all(folder: Path, manifest: Manifest) -> None:
    """Remove what the build has written: the folder is as if it had never been."""
    for shard in manifest.shards:
        (folder / shard.file).unlink(missing_ok=True)
    rmtree(folder / TOKENIZER, ignore_errors=True)
    tidy(folder, manifest)
