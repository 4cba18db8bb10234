"""Parts of a build merge to the bytes of one build; what is missing, foreign or damaged is named."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from odd_texts import ODD, SENTENCES
from small_builds import bytes_of, small_settings

from corpus_tools import merge as merging
from corpus_tools.build import build, plan_build
from corpus_tools.cli import main
from corpus_tools.errors import DataError, OutputError, SettingsError, StoppedError
from corpus_tools.merge import merge, plan_merge
from corpus_tools.shards.manifest import Part, load_manifest
from corpus_tools.shards.read import open_shards
from corpus_tools.shards.verify import verify


@pytest.fixture
def settings(tmp_path, text_file, vocab_file):
    """Six shards, one of them with rejects."""
    with text_file.open("a", encoding="utf-8") as file:
        file.write("\n\x00\n\n再见。\n")
    return small_settings(text_file, vocab_file, tmp_path / "whole")


def build_parts(settings, n_parts, folder):
    parts = [folder / f"part{number}" for number in range(1, n_parts + 1)]
    for number, out in enumerate(parts, start=1):
        build(replace(settings, out=str(out), part=Part(number, n_parts)))
    return parts


@pytest.mark.parametrize("n_parts", [1, 2, 3, 7])
def test_any_number_of_parts_merges_to_the_bytes_of_one_build(settings, tmp_path, n_parts):
    whole = build(settings)
    assert sum(whole.accounting.dropped.values()) == 1
    parts = build_parts(settings, n_parts, tmp_path)
    assert merge(plan_merge(parts[::-1]), tmp_path / "merged") == whole
    assert bytes_of(tmp_path / "merged") == bytes_of(settings.out)


@examples(max_examples=examples().max_examples // 20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_text_in_any_parts_merges_to_the_bytes_of_one_build(settings, tmp_path_factory, data):
    texts = [text for text in ODD if text.strip()] + SENTENCES
    (tmp_path_factory.getbasetemp() / "any.txt").write_text("\n\n".join(data.draw(st.permutations(texts))), "utf-8")
    folder = tmp_path_factory.mktemp("any")
    inputs = (*settings.inputs, str(tmp_path_factory.getbasetemp() / "any.txt"))
    asked = replace(settings, inputs=inputs, out=str(folder / "whole"), split_bytes=data.draw(st.integers(300, 3000)))
    whole = build(asked)
    parts = build_parts(asked, data.draw(st.integers(1, 3)), folder)
    assert merge(plan_merge(data.draw(st.permutations(parts))), folder / "merged") == whole
    assert bytes_of(folder / "merged") == bytes_of(asked.out)


def test_a_part_is_a_shard_folder_that_says_which_part_it_is(settings, tmp_path):
    first, second = build_parts(settings, 2, tmp_path)
    manifest = load_manifest(second)
    assert manifest.part == Part(2, 2)
    assert json.loads((second / "manifest.json").read_text("utf-8"))["part"] == {"number": 2, "of": 2}
    assert verify(second).problems == []
    numbers = [shard.number for each in (first, second) for shard in load_manifest(each).shards]
    assert sorted(numbers) == list(range(len(build(settings).shards)))
    assert len(open_shards(first)) + len(open_shards(second)) == len(open_shards(settings.out))


def test_parts_share_the_bytes_to_read_evenly(settings, tmp_path):
    for n, length in enumerate([40, 1, 30, 2, 20, 3]):
        (tmp_path / f"{n}.txt").write_text("好" * length, "utf-8")
    asked = replace(settings, inputs=tuple(str(tmp_path / f"{n}.txt") for n in range(6)), split_bytes=1 << 20)
    plans = [plan_build(replace(asked, part=Part(number, 3))).jobs for number in (1, 2, 3)]
    assert [sum(job.split.n_bytes for job in jobs) // 3 for jobs in plans] == [43, 32, 21]


def test_a_part_without_a_shard_or_a_document_is_a_part(settings, tmp_path):
    (tmp_path / "empty.txt").write_text("\x01\n", "utf-8")
    asked = replace(settings, inputs=(*settings.inputs, str(tmp_path / "empty.txt")), split_bytes=1 << 20)
    parts = build_parts(asked, 3, tmp_path)
    assert [load_manifest(part).accounting.documents_out for part in parts] == [13, 0, 0]
    assert merge(plan_merge(parts), tmp_path / "merged") == build(asked)


def test_parts_without_any_document_are_the_error_of_the_whole_build(settings, tmp_path):
    (tmp_path / "empty.txt").write_text("\x01\n", "utf-8")
    parts = build_parts(replace(settings, inputs=(str(tmp_path / "empty.txt"),)), 2, tmp_path)
    with pytest.raises(DataError, match=r"no document is left of 1 that were read \(no_tokens 1\)"):
        merge(plan_merge(parts), tmp_path / "merged")
    assert list((tmp_path / "merged").iterdir()) == []


def test_a_finished_part_is_not_built_again_and_a_lost_shard_is(settings, tmp_path):
    build(settings)
    parts = build_parts(settings, 2, tmp_path)
    shard = next(parts[0].glob("shard-*.arrow"))
    before = bytes_of(parts[0])
    for lost in (shard, shard.with_suffix(".json"), shard.with_suffix(".rejects.jsonl")):
        lost.unlink()
        with pytest.raises(DataError, match=f"{shard.name}: it or its record is missing"):
            merge(plan_merge(parts), tmp_path / "merged")
        build(replace(settings, out=str(parts[0]), part=Part(1, 2)))
        assert bytes_of(parts[0]) == before
    merge(plan_merge(parts), tmp_path / "merged")
    assert bytes_of(tmp_path / "merged") == bytes_of(settings.out)


def test_shards_are_linked_and_copied_where_they_cannot_be(settings, tmp_path, monkeypatch):
    parts = build_parts(settings, 2, tmp_path)
    merge(plan_merge(parts), tmp_path / "linked")
    shard = next(parts[0].glob("shard-*.arrow"))
    assert shard.samefile(tmp_path / "linked" / shard.name)

    def other_disk(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_disk)
    merge(plan_merge(parts), tmp_path / "copied")
    assert not shard.samefile(tmp_path / "copied" / shard.name)
    assert bytes_of(tmp_path / "copied") == bytes_of(tmp_path / "linked")


def test_what_is_missing_twice_or_foreign_is_named(settings, tmp_path):
    one, two, three = build_parts(settings, 3, tmp_path)
    whole = replace(settings, out=str(tmp_path / "all"))
    build(whole)
    other = replace(settings, cased=True, out=str(tmp_path / "other"), part=Part(2, 3))
    build(other)
    halves = replace(settings, out=str(tmp_path / "half"), part=Part(2, 2))
    build(halves)
    for named, error, said in [
        ([one, three], SettingsError, "missing: 2/3. `build --shard 2/3` makes it"),
        ([one, two, three, two], SettingsError, f"part 2/3 is there twice: {two}, {two}"),
        (
            [one, other.out, three],
            DataError,
            f"{other.out}: is not of the same build as {one}: cased was false, is true",
        ),
        ([one, halves.out, three], DataError, f"{halves.out}: is part 2/2, {one} is part 1/3"),
        ([one, whole.out], DataError, f"{whole.out}: is no part of a build but a whole one"),
    ]:
        with pytest.raises(error) as caught:
            plan_merge(named)
        assert said in str(caught.value)


def test_a_part_that_is_not_finished_is_named(settings, tmp_path):
    one, two = build_parts(settings, 2, tmp_path)
    (two / "manifest.json").unlink()
    with pytest.raises(DataError, match=r"part2/manifest.json: missing, so the build is not finished"):
        plan_merge([one, two])


@pytest.mark.parametrize("damage", ["arrow", "rejects.jsonl"])
def test_a_damaged_file_is_named_and_nothing_of_it_is_kept(settings, tmp_path, damage):
    parts = build_parts(settings, 2, tmp_path)
    path = next(path for part in parts for path in sorted(part.glob(f"shard-*.{damage}")) if path.stat().st_size)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    with pytest.raises(DataError, match=f"{path.name}: is damaged. Remove it and build this part again"):
        merge(plan_merge(parts), tmp_path / "merged")
    path.unlink()
    build(replace(settings, out=str(path.parent), part=load_manifest(path.parent).part))
    merge(plan_merge(parts), tmp_path / "merged")
    build(settings)
    assert bytes_of(tmp_path / "merged") == bytes_of(settings.out)


def test_a_part_with_another_vocabulary_beside_it_is_refused(settings, tmp_path):
    parts = build_parts(settings, 2, tmp_path)
    vocabulary = parts[0] / "tokenizer" / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text("utf-8") + "鼯\n", "utf-8")
    for path in (parts[0] / "tokenizer").glob("*.json"):
        path.unlink()
    with pytest.raises(DataError, match="tokenizer: is vocabulary"):
        merge(plan_merge(parts), tmp_path / "merged")


def test_a_folder_that_holds_something_else_is_left_alone(settings, tmp_path):
    parts = build_parts(settings, 2, tmp_path)
    with pytest.raises(OutputError, match="holds part 1/2 of the build, asked for is the whole build"):
        merge(plan_merge(parts), parts[0])
    build(settings)
    with pytest.raises(OutputError, match="holds the whole build, asked for is part 1/2"):
        build(replace(settings, part=Part(1, 2)))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").touch()
    with pytest.raises(OutputError, match=r"thesis\.docx"):
        merge(plan_merge(parts), tmp_path / "full")


def test_a_stopped_merge_goes_on(settings, tmp_path):
    build(settings)
    parts = build_parts(settings, 2, tmp_path)
    merged = tmp_path / "merged"

    def stop_at_three(said: str) -> None:
        if said.startswith("3 of"):
            os.kill(os.getpid(), 15)

    with pytest.raises(StoppedError, match="Run the same command to go on"):
        merge(plan_merge(parts), merged, stop_at_three)
    assert not (merged / "manifest.json").exists()
    kept = sorted(path.name for path in merged.glob("shard-*.json"))
    assert len(kept) >= 3
    merge(plan_merge(parts), merged)
    assert bytes_of(merged) == bytes_of(settings.out)


def test_a_finished_merge_is_not_done_again(settings, tmp_path, monkeypatch):
    parts = build_parts(settings, 2, tmp_path)
    made = merge(plan_merge(parts), tmp_path / "merged")
    monkeypatch.setattr(merging, "_take", lambda *_: pytest.fail("done again"))
    assert merge(plan_merge(parts), tmp_path / "merged") == made


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_a_part_that_makes_no_sense_is_refused(text):
    with pytest.raises(SettingsError, match=f"shard: '?{text}"):
        Part.parse(text)


def test_the_command_line_builds_parts_and_merges_them(text_file, vocab_file, tmp_path, capsys):
    basic = ["build", str(text_file), "--vocab", str(vocab_file), "--segmenter", "chars", "--workers", "1"]
    for n in (1, 2):
        assert main([*basic, "--shard", f"{n}/2", "--out", str(tmp_path / str(n))]) == 0
        assert f"this is part {n}/2" in capsys.readouterr().out
    line = ["merge", str(tmp_path / "1"), str(tmp_path / "2"), "--out", str(tmp_path / "merged")]
    assert main([*line, "--dry-run"]) == 0
    assert "would link 1 shards of 2 parts" in capsys.readouterr().out
    assert not (tmp_path / "merged").exists()
    assert main(line) == 0
    assert "next: corpus-tools preview" in capsys.readouterr().out
    assert main([*basic, "--out", str(tmp_path / "whole")]) == 0
    assert bytes_of(tmp_path / "merged") == bytes_of(tmp_path / "whole")
    assert main([*line[:2], "--out", str(tmp_path / "x")]) == 64
    assert "missing: 2/2" in capsys.readouterr().err
    assert Path(tmp_path / "x").exists() is False
