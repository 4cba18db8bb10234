"""Parts of a build, each made by `--shard i/n`, to the folder that one build would have written.

A part keeps the records and the rejects of its shards, so merging is to go on with a build all of whose shards are
done: they are linked into the folder, and it is finished as ever. What an interrupted merge has linked stays.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copyfile

from corpus_tools.build_changes import Basis, difference
from corpus_tools.build_folder import claim, examine, finish, key_of, tidy
from corpus_tools.errors import DataError, DiskError, SettingsError, StoppedError
from corpus_tools.pool import stop_on_signals
from corpus_tools.shards.manifest import TOKENIZER, Manifest, Part, ShardEntry, load_manifest, shard_name
from corpus_tools.shards.read import open_vocabulary
from corpus_tools.shards.write import ShardRecord, finished, rejects_path
from corpus_tools.storage import locked, replace_whole, sha256_file, temporary_beside


@dataclass(frozen=True, slots=True)
class PartFolder:
    """A folder that `build --shard` has finished."""

    path: Path
    manifest: Manifest

    @property
    def basis(self) -> Basis:
        """Of the build it is part of."""
        return Basis(self.manifest.identity, self.manifest.settings)

    @property
    def part(self) -> Part:
        """Which part it is."""
        assert self.manifest.part
        return self.manifest.part


@dataclass(frozen=True, slots=True)
class MergePlan:
    """All parts of one build, by their numbers."""

    parts: list[PartFolder]

    @property
    def basis(self) -> Basis:
        """Of the build they are parts of."""
        return self.parts[0].basis

    @property
    def shards(self) -> list[tuple[PartFolder, ShardEntry]]:
        """All shards by number, each with the part that has it."""
        return sorted(
            ((part, shard) for part in self.parts for shard in part.manifest.shards), key=lambda found: found[1].number
        )


def plan_merge(folders: Sequence[str | Path]) -> MergePlan:
    """Make sure that folders are all the parts of one build; nothing is written.

    Raises:
        MissingInputError, DataError: a folder is missing, unfinished or damaged, no part, or of another build.
        SettingsError: a part is missing or there twice.
    """
    parts = [_open(Path(folder)) for folder in folders]
    first = parts[0]
    for other in parts[1:]:
        if differs := difference(first.basis, other.basis):
            raise DataError(f"{other.path}: is not of the same build as {first.path}: {differs}")
        if other.part.of != first.part.of:
            raise DataError(f"{other.path}: is part {other.part}, {first.path} is part {first.part}")
    _check_complete(parts)
    plan = MergePlan(sorted(parts, key=lambda each: each.part.number))
    for number, (part, shard) in enumerate(plan.shards):
        if shard.number != number:
            raise DataError(f"{part.path}: has {shard.file}, expected was {shard_name(number)}. Build this part again")
    return plan


def _open(path: Path) -> PartFolder:
    manifest = load_manifest(path)
    if manifest.part is None:
        raise DataError(f"{path}: is no part of a build but a whole one; parts are made by `build --shard 1/2`")
    return PartFolder(path, manifest)


def _check_complete(parts: Sequence[PartFolder]) -> None:
    found: dict[int, list[PartFolder]] = defaultdict(list)
    for each in parts:
        found[each.part.number].append(each)
    n_parts = parts[0].part.of
    for number, same in found.items():
        if len(same) > 1:
            raise SettingsError(
                f"part {number}/{n_parts} is there twice: {same[0].path}, {same[1].path}. Leave one out"
            )
    if missing := [str(Part(number, n_parts)) for number in range(1, n_parts + 1) if number not in found]:
        raise SettingsError(
            f"not all parts are named, missing: {', '.join(missing)}. `build --shard {missing[0]}` makes it"
        )


def merge(plan: MergePlan, out: str | Path, progress: Callable[[str], None] = lambda _: None) -> Manifest:
    """Merge parts into the folder `out`, or go on with that, or return its manifest where that is done.

    Shards are linked where both folders are on one disk, and copied elsewhere; their bytes are checked either way.

    Raises:
        DataError: a shard is missing or not as its part's manifest has it, or no part has a document.
        OutputError: the folder is in use or holds something else. StoppedError: a signal asked to stop. DiskError.
    """
    folder = Path(out)
    examine(folder, plan.basis, None)
    first = plan.parts[0]
    vocabulary = open_vocabulary(first.path, first.manifest)
    with locked(folder), stop_on_signals() as stop:
        manifest = claim(folder, plan.basis)
        if manifest is None:
            records: list[ShardRecord] = []
            for part, shard in plan.shards:
                progress(f"{len(records)} of {len(plan.shards)} shards")
                if stop.asked:
                    raise StoppedError("stopped. Run the same command to go on")
                records.append(_take(part, shard, folder))
            vocabulary.save(folder / TOKENIZER, first.manifest.settings["model_max_length"])
            manifest = finish(folder, replace(first.manifest, part=None), records)
        tidy(folder, manifest)
    return manifest


def _take(part: PartFolder, shard: ShardEntry, folder: Path) -> ShardRecord:
    """Put a shard, its rejects and last its record into the folder; what is there already stays.

    Raises:
        DataError: one of them is missing or damaged. DiskError.
    """
    key = key_of(part.manifest.identity)
    if done := finished(folder, shard.number, key):
        return done
    record = finished(part.path, shard.number, key)
    if record is None or record.shard != shard:
        raise DataError(f"{part.path / shard.file}: it or its record is missing or cut short. Build this part again")
    rejects = rejects_path(part.path, shard.number)
    for path, sha256 in ((part.path / shard.file, shard.sha256), (rejects, record.rejects_sha256)):
        _link_or_copy(path, folder / path.name)
        if sha256_file(folder / path.name) != sha256:
            (folder / path.name).unlink()
            raise DataError(f"{path}: is damaged. Remove it and build this part again")
    record.save(folder, shard.number)
    return record


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.unlink(missing_ok=True)
        with suppress(OSError):  # another disk, or one without hard links
            os.link(source, target)
            return
        temporary = temporary_beside(target)
        copyfile(source, temporary)
        replace_whole(temporary, target)
    except OSError as error:
        raise DiskError(f"{target}: cannot be written: {error.strerror}") from error
