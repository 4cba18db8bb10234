"""A checkpoint is whole or absent, and damage never passes for it: every call of its writer dies, every bit flips.

Nothing here needs torch: a checkpoint is files to whoever writes, verifies and chooses it.
"""

from __future__ import annotations

import errno
import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from dying_disk import Died, DyingDisk
from injections import INJECTED

from cn_bert.training import checkpoint
from cn_bert.training.checkpoint import MANIFEST, MOMENTS, NEEDED, STATE, WEIGHTS
from corpus_tools.errors import DiskError, UnverifiedError

MORE = ("probe.safetensors", "more.bin")
POWER = ("power lost", "power torn")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing, a real disk least of all: what is flushed and what is not is the dying disk's to know."""
    monkeypatch.setattr(checkpoint, "RETRY_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(os, "posix_fadvise", lambda *of: None)


def contents(step: int, n_more: int = 1) -> dict[str, bytes]:
    """Return small files: the ones every checkpoint has, and up to two more."""
    found = {WEIGHTS: b"weights" * step, MOMENTS: b"moments" * step, STATE: json.dumps({"step": step}).encode()}
    return found | {name: bytes([step]) * 8 for name in MORE[:n_more]}


def save(folder: Path, step: int, n_more: int = 1, keep: int = 2) -> None:
    """Write a checkpoint as a run does: commit, then let old ones go."""
    files: dict[str, Callable[[], bytes]] = {
        name: lambda content=content: content for name, content in contents(step, n_more).items()
    }
    checkpoint.commit(folder, step, files)
    checkpoint.prune(folder, step, keep, None)


def holds(folder: Path, step: int, n_more: int = 1) -> bool:
    """Say whether a step's checkpoint is sound and has every byte."""
    place = checkpoint.at(folder, step)
    return checkpoint.verify(place) == [] and all(
        (place / name).read_bytes() == content for name, content in contents(step, n_more).items()
    )


def nothing_before(folder: Path, n_more: int) -> set[int | None]:
    return {None}


def two_before(folder: Path, n_more: int) -> set[int | None]:
    for step in (1, 2):
        save(folder, step, n_more)
    return {2}


def a_damaged_one_of_its_own_step(folder: Path, n_more: int) -> set[int | None]:
    for step in (2, 3):
        save(folder, step, n_more)
    (checkpoint.at(folder, 3) / WEIGHTS).write_bytes(b"")
    return {2}


@pytest.mark.parametrize("n_more", [0, 1, 2])
@pytest.mark.parametrize("before", [nothing_before, two_before, a_damaged_one_of_its_own_step])
@pytest.mark.parametrize("how", ["killed", "killed in a write", *POWER])
def test_a_writer_that_dies_at_any_call_leaves_a_sound_checkpoint(
    tmp_path: Path, how: str, before: Callable[[Path, int], set[int | None]], n_more: int
) -> None:
    for at in count(1):
        folder = tmp_path / str(at) / "checkpoints"
        old = before(folder, n_more)
        with pytest.MonkeyPatch.context() as patch:
            disk = DyingDisk(at, how).replace(patch)
            with suppress(Died):
                save(folder, 3, n_more)
        if disk.calls < at:
            assert at > 20, "the writer's calls are no longer seen"
            break
        INJECTED[f"writer {how}"] += 1
        checkpoint.clean(folder)
        step, _ = checkpoint.newest(folder)
        assert step in old | {3}, f"call {at}"
        assert step is None or holds(folder, step, n_more), f"call {at}"
        save(folder, 3, n_more)  # the next start: it goes on, and nothing of the crash is left
        assert holds(folder, 3, n_more)
        assert set(os.listdir(folder)) <= {"step-1", "step-2", "step-3"}


def test_a_process_that_is_really_killed_leaves_what_the_simulated_one_does(tmp_path: Path) -> None:
    for at in count(1):
        folder = tmp_path / str(at)
        two_before(folder, 1)
        if not killed_at(at, lambda folder=folder: save(folder, 3)):
            assert at > 20
            break
        INJECTED["writer killed"] += 1
        step, _ = checkpoint.newest(folder)
        assert step in (2, 3)
        assert holds(folder, step)


def killed_at(at: int, act: Callable[[], None]) -> bool:
    """Do something in a process of its own that ends at its `at`-th call; say whether it came so far."""
    child = os.fork()
    if not child:
        try:
            DyingDisk(at).replace(pytest.MonkeyPatch())
            act()
        except Died:
            os._exit(9)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO], ids=errno.errorcode.get)
def test_a_disk_that_refuses_any_call_leaves_the_old_checkpoint_and_says_so(
    tmp_path: Path, error: int, for_good: bool
) -> None:
    for at in count(1):
        folder = tmp_path / str(at)
        two_before(folder, 1)
        told = None
        with pytest.MonkeyPatch.context() as patch:
            disk = DyingDisk(at, error, for_good=for_good).replace(patch)
            try:
                save(folder, 3)
            except DiskError as raised:
                told = raised
        if disk.calls < at:
            break
        INJECTED[f"disk says {errno.errorcode[error]}"] += 1
        if told is None:  # an error that passes, or one that only kept an old checkpoint from being removed
            assert holds(folder, 3)
        else:
            assert told.exit_code == 74
            assert "step-3" in str(told)
            assert all(holds(folder, step) for step in (1, 2))
            left = set(os.listdir(folder)) - {"step-1", "step-2"}
            if left and not for_good:  # only the last flush failed: it may be there after a power cut, or not
                assert left == {"step-3"}
                assert holds(folder, 3)


def test_an_error_of_the_disk_that_passes_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        DyingDisk(5, errno.EIO).replace(patch)
        save(tmp_path, 3)
    assert holds(tmp_path, 3)


@pytest.mark.parametrize("limit", [0, 1, 7, 20, 21, 100, 300, 500])
def test_a_file_that_may_not_grow_any_more_is_a_full_disk(tmp_path: Path, limit: int) -> None:
    """The kernel itself refuses, at whatever file and byte the limit falls."""
    two_before(tmp_path, 1)
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            save(tmp_path, 3)
        except DiskError as error:
            os._exit(error.exit_code)
        os._exit(0)
    INJECTED["file size limit"] += 1
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 74
    assert checkpoint.newest(tmp_path) == (2, [])
    assert sorted(os.listdir(tmp_path)) == ["step-1", "step-2"]


def test_writes_that_take_less_than_they_were_given_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: whole(handle, bytes(data)[: max(1, len(data) // 3)]))
        save(tmp_path, 3)
    assert holds(tmp_path, 3)


def test_what_is_read_back_otherwise_than_written_gets_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 2)
    whole = os.write

    def lossy(handle: int, data: bytes) -> int:
        return whole(handle, bytes(data).replace(b"weights", b"Weights"))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lossy)
        with pytest.raises(DiskError, match="read back otherwise"):
            save(tmp_path, 3)
    assert os.listdir(tmp_path) == ["step-2"]


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """The newest of two checkpoints, to be damaged."""
    for step in (1, 2):
        save(tmp_path, step)
    return checkpoint.at(tmp_path, 2)


def assert_passed_over(place: Path, named: str) -> None:
    """The damage was noticed, the file is named, and the older checkpoint is used."""
    step, faults = checkpoint.newest(place.parent)
    assert step == 1
    assert named in faults[0], faults


FILES = (*NEEDED, MORE[0], MANIFEST)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_is_noticed(damaged: Path, name: str) -> None:
    whole = (damaged / name).read_bytes()
    for length in range(len(whole)):
        (damaged / name).write_bytes(whole[:length])
        assert checkpoint.verify(damaged), f"{name} cut at {length}"
        INJECTED["file cut"] += 1
    assert_passed_over(damaged, name)


@pytest.mark.parametrize("name", [name for name in FILES if name != MANIFEST])
def test_every_flipped_bit_is_noticed(damaged: Path, name: str) -> None:
    whole = (damaged / name).read_bytes()
    for content in flips(whole, range(8)):
        (damaged / name).write_bytes(content)
        assert len(checkpoint.verify(damaged)) == 1
        INJECTED["bit flipped"] += 1
    assert_passed_over(damaged, name)


def test_a_flipped_manifest_is_noticed_unless_it_says_the_same(damaged: Path) -> None:
    """White space may flip to other white space; nothing else passes, and nothing crashes."""
    whole = (damaged / MANIFEST).read_bytes()
    for number, content in enumerate(flips(whole, range(7))):
        if number % 7 == number // 7 % 7:  # one bit of each byte
            (damaged / MANIFEST).write_bytes(content)
            assert checkpoint.verify(damaged) or says_the_same(content, whole)
            INJECTED["bit flipped"] += 1


def flips(content: bytes, bits: range) -> Iterator[bytes]:
    for place in range(len(content)):
        for bit in bits:
            yield content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


def says_the_same(manifest: bytes, other: bytes) -> bool:
    """Compare what matters: the files it has to name, and what it says of them."""
    ours, theirs = (json.loads(text)["files"] for text in (manifest, other))
    return all(ours[name] == theirs[name] for name in NEEDED)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_noticed(damaged: Path, name: str) -> None:
    (damaged / name).unlink()
    INJECTED["file missing, swapped or another's"] += 1
    assert_passed_over(damaged, name)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_checkpoint_is_noticed(damaged: Path, name: str) -> None:
    (damaged / name).write_bytes((damaged.with_name("step-1") / name).read_bytes())
    INJECTED["file missing, swapped or another's"] += 1
    assert_passed_over(damaged, "step-2")


def test_two_files_that_changed_places_are_noticed(damaged: Path) -> None:
    for one, other in ((WEIGHTS, MOMENTS), (WEIGHTS, STATE), (MOMENTS, MORE[0])):
        contents = (damaged / one).read_bytes(), (damaged / other).read_bytes()
        (damaged / one).write_bytes(contents[1])
        (damaged / other).write_bytes(contents[0])
        INJECTED["file missing, swapped or another's"] += 1
        assert_passed_over(damaged, one)
        (damaged / one).write_bytes(contents[0])
        (damaged / other).write_bytes(contents[1])


def test_a_checkpoint_under_another_steps_name_is_noticed(damaged: Path) -> None:
    moved = damaged.rename(damaged.with_name("step-9"))
    INJECTED["file missing, swapped or another's"] += 1
    assert_passed_over(moved, "holds step 2")


def test_a_folder_in_a_files_place_is_noticed(damaged: Path) -> None:
    for name in FILES:
        content = (damaged / name).read_bytes()
        (damaged / name).unlink()
        (damaged / name).mkdir()
        INJECTED["file missing, swapped or another's"] += 1
        assert_passed_over(damaged, name)
        (damaged / name).rmdir()
        (damaged / name).write_bytes(content)


def test_a_file_too_many_harms_nobody(damaged: Path) -> None:
    (damaged / "notes.txt").write_text("mine")
    INJECTED["file missing, swapped or another's"] += 1
    assert checkpoint.newest(damaged.parent) == (2, [])


ODD_MANIFESTS = ["", " ", "[]", "{}", "null", "7", "NaN", "\ufeff{}", "\0" * 40, "[" * 100_000]
ODD_FILES = ("[]", "{}", '{"state.json": 3}', '{"state.json": {"bytes": 9}}')
ODD_MANIFESTS += [f'{{"files": {files}}}' for files in ODD_FILES]


@pytest.mark.parametrize("text", ODD_MANIFESTS, ids=range(len(ODD_MANIFESTS)))
def test_a_manifest_of_another_shape_is_a_fault(damaged: Path, text: str) -> None:
    (damaged / MANIFEST).write_text(text, encoding="utf-8")
    INJECTED["manifest edited"] += 1
    assert_passed_over(damaged, MANIFEST)


@pytest.mark.parametrize("name", ["../step-1/weights.safetensors", "/etc/passwd", "..", "", "a/b", "a\0b", "\udc80"])
def test_a_manifest_that_names_what_is_no_file_of_its_own_is_a_fault(damaged: Path, name: str) -> None:
    manifest = json.loads((damaged / MANIFEST).read_text())
    manifest["files"][name] = manifest["files"][WEIGHTS]
    (damaged / MANIFEST).write_text(json.dumps(manifest))
    INJECTED["manifest edited"] += 1
    assert checkpoint.verify(damaged)
    assert checkpoint.newest(damaged.parent)[0] == 1


@pytest.mark.parametrize("name", NEEDED)
def test_a_manifest_that_leaves_a_file_out_is_a_fault(damaged: Path, name: str) -> None:
    manifest = json.loads((damaged / MANIFEST).read_text())
    del manifest["files"][name]
    (damaged / MANIFEST).write_text(json.dumps(manifest))
    INJECTED["manifest edited"] += 1
    assert_passed_over(damaged, f"does not list {name}")


def test_line_ends_of_another_system_do_no_harm(damaged: Path) -> None:
    text = (damaged / MANIFEST).read_bytes()
    (damaged / MANIFEST).write_bytes(text.replace(b"\n", b"\r\n"))
    INJECTED["manifest edited"] += 1
    assert checkpoint.newest(damaged.parent) == (2, [])


def test_where_none_is_sound_nothing_is_used(damaged: Path) -> None:
    for step in (1, 2):
        (checkpoint.at(damaged.parent, step) / WEIGHTS).write_bytes(b"")
    with pytest.raises(UnverifiedError) as caught:
        checkpoint.newest(damaged.parent)
    assert caught.value.exit_code == 76
    assert "step-1" in str(caught.value)
    assert "step-2" in str(caught.value)


def test_a_checkpoint_that_was_asked_for_is_never_replaced_by_another(damaged: Path) -> None:
    (damaged / WEIGHTS).write_bytes(b"")
    assert checkpoint.wanted(damaged.parent, 1) == 1
    for step in (2, 5):
        with pytest.raises(UnverifiedError, match=r"step-\d.*\n.*are there: 1, 2"):
            checkpoint.wanted(damaged.parent, step)


def test_no_checkpoint_is_no_fault(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path / "nowhere") == (None, [])
    (tmp_path / "step-x").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "latest").write_text("step-7")
    assert checkpoint.newest(tmp_path) == (None, [])


KEPT = [
    (1, None, [60]),
    (2, None, [50, 60]),
    (9, None, [10, 20, 30, 40, 50, 60]),
    (1, 30, [30, 60]),
    (2, 20, [20, 40, 50, 60]),
    (1, 7, [60]),
]


@pytest.mark.parametrize(("keep", "every", "left"), KEPT)
def test_the_newest_are_kept_and_the_multiples(tmp_path: Path, keep: int, every: int | None, left: list[int]) -> None:
    for step in range(10, 70, 10):
        save(tmp_path, step, keep=99)
        checkpoint.prune(tmp_path, step, keep, every)
    assert checkpoint.steps(tmp_path) == left


@pytest.mark.parametrize("keep", [1, 2])
def test_damaged_newer_checkpoints_do_not_push_the_new_one_out(tmp_path: Path, keep: int) -> None:
    for step in (10, 20, 30):
        save(tmp_path, step, keep=3)
    for step in (20, 30):
        (checkpoint.at(tmp_path, step) / WEIGHTS).write_bytes(b"")
    assert checkpoint.newest(tmp_path)[0] == 10
    save(tmp_path, 15, keep=keep)
    assert checkpoint.newest(tmp_path)[0] == 15
    assert checkpoint.steps(tmp_path) == [10, 15, 20, 30][2 - keep :]


def test_later_checkpoints_are_put_aside_and_never_chosen(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step, keep=3)
    moved = checkpoint.put_aside(tmp_path, 1)
    assert checkpoint.newest(tmp_path) == (1, [])
    checkpoint.clean(tmp_path)
    assert all((path / WEIGHTS).is_file() for path in moved)
    assert len(moved) == 2
