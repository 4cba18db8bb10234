"""Duplicates of a corpus: the same list as comparing every pair, whatever the workers and the parts."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from odd_texts import ODD
from slow_dedup import jaccard, kept_of_each

from corpus_tools.cli import main
from corpus_tools.dedup import DedupSettings, find_duplicates
from corpus_tools.errors import DataError, DiskError, OutputError, SettingsError, StoppedError

ALPHABET = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"


def families(seed, n=12):
    """Documents, and after each some copies with ever more characters changed."""
    draw = np.random.default_rng(seed)
    for _ in range(n):
        text = draw.choice(list(ALPHABET), size=draw.integers(40, 300))
        for _ in range(draw.integers(1, 5)):
            yield "".join(text)
            text = text.copy()
            text[draw.integers(len(text), size=draw.integers(0, 4))] = draw.choice(list(ALPHABET))


def written_to(path, texts, **fields):
    lines = [json.dumps({"id": f"文{n}", "text": text} | fields, ensure_ascii=False) for n, text in enumerate(texts)]
    path.write_text("\n".join(lines), "utf-8")
    return path


@pytest.fixture
def settings(tmp_path):
    return DedupSettings(inputs=(str(tmp_path / "texts.jsonl"),), out=str(tmp_path / "drop.tsv"), workers=1)


def rows(settings):
    return [line.split("\t") for line in Path(settings.out).read_text("utf-8").splitlines()]


@pytest.mark.parametrize("near", [0.6, 0.8, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_list_is_that_of_comparing_every_pair(settings, tmp_path, seed, near):
    texts = [*families(seed), *ODD]
    texts = [texts[at] for at in np.random.default_rng(seed).permutation(len(texts)) if texts[at].strip()]
    written_to(tmp_path / "texts.jsonl", texts)

    found = find_duplicates(replace(settings, near=near))

    kept = kept_of_each(texts, near)
    listed = rows(settings)
    assert [(id, repeated) for id, repeated, _ in listed] == [
        (f"文{n}", f"文{first}") for n, first in enumerate(kept) if first != n
    ]
    for id, repeated, likeness in listed:
        true = jaccard(texts[int(id[1:])], texts[int(repeated[1:])])
        assert float(likeness) == pytest.approx(true, abs=0.0006) if likeness != "exact" else true in (0.0, 1.0)
    assert found.documents == len(texts)
    assert found.exact + found.near == len(listed)
    assert found.exact == sum(likeness == "exact" for _, _, likeness in listed)


def test_neither_workers_nor_parts_change_the_list(settings, tmp_path):
    written_to(tmp_path / "texts.jsonl", [*families(7, n=30)])
    find_duplicates(settings)
    other = replace(settings, workers=2, split_bytes=900, out=str(tmp_path / "other.tsv"))
    assert len(other.splits()) > 3
    find_duplicates(other)
    assert Path(other.out).read_bytes() == Path(settings.out).read_bytes() != b""
    assert {path.name for path in tmp_path.iterdir()} == {"texts.jsonl", "drop.tsv", "other.tsv"}


def test_the_first_in_the_order_of_the_inputs_stays(settings, tmp_path):
    text = ALPHABET * 3
    inputs = (written_to(tmp_path / "z.jsonl", [text]), written_to(tmp_path / "a.jsonl", [f"{text}。", "别的。"]))
    find_duplicates(replace(settings, inputs=tuple(map(str, inputs))))
    assert rows(settings) == [["a.jsonl:1", "z.jsonl:1", "exact"]]  # both are 文0, so they go by their places


def test_a_copy_of_a_copy_is_told_by_its_likeness_to_what_is_kept(settings, tmp_path):
    first = ALPHABET[::-1] * 2
    near = first[:-1] + "新"
    written_to(tmp_path / "texts.jsonl", [first, near, near.replace("天", "天，")])
    found = find_duplicates(settings)
    likeness = f"{jaccard(first, near):.3f}"
    assert rows(settings) == [["文1", "文0", likeness], ["文2", "文0", likeness]]
    assert (found.exact, found.near) == (0, 2)


def test_an_id_with_a_tab_or_a_line_end_stays_on_its_line(settings, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(json.dumps({"id": id, "text": ALPHABET}) for id in ("a\\b", "c\td\ne\r")), "utf-8")
    find_duplicates(settings)
    assert rows(settings) == [["c\\td\\ne\\r", "a\\\\b", "exact"]]


def test_what_cannot_be_read_is_counted_and_not_compared(settings, tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"text": "好"}\n{bad\n{"text": ""}\n{"text": "好。"}\n', "utf-8")
    found = find_duplicates(settings)
    assert found.to_json() == {"documents": 2, "exact": 1, "near": 0, "unusable": 2}


@pytest.mark.parametrize("content", ["", "{bad"])
def test_a_corpus_without_documents_has_an_empty_list(settings, tmp_path, content):
    (tmp_path / "texts.jsonl").write_text(content, "utf-8")
    assert find_duplicates(settings).documents == 0
    assert Path(settings.out).read_bytes() == b""


def test_what_was_edited_is_not_written_over(settings, tmp_path):
    written_to(tmp_path / "texts.jsonl", ["一"])
    Path(settings.out).write_text("mine", "utf-8")
    with pytest.raises(OutputError, match=r"drop\.tsv: exists") as caught:
        find_duplicates(settings)
    assert caught.value.exit_code == 73
    assert Path(settings.out).read_text("utf-8") == "mine"


def test_a_folder_that_is_not_there_is_told_at_once(settings, tmp_path):
    written_to(tmp_path / "texts.jsonl", ["一"])
    with pytest.raises(DiskError, match="nowhere"):
        find_duplicates(replace(settings, out=str(tmp_path / "nowhere" / "drop.tsv")))


@pytest.mark.parametrize("change", [{"near": 0.0}, {"near": 1.1}, {"workers": -1}])
def test_settings_that_make_no_sense_are_refused(settings, change):
    with pytest.raises(SettingsError, match=next(iter(change))):
        replace(settings, **change)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("step", ["pass 1 of 2", "pass 2 of 2"])
def test_a_stop_leaves_nothing_behind(settings, tmp_path, workers, step):
    written_to(tmp_path / "texts.jsonl", [*families(1)])

    def progress(state):
        if state.step == step:
            assert f"{step} · " in str(state)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError, match="nothing is written"):
        find_duplicates(replace(settings, workers=workers, split_bytes=900), progress)
    assert [path.name for path in tmp_path.iterdir()] == ["texts.jsonl"]


def test_documents_that_change_between_the_passes_are_noticed(settings, tmp_path):
    path = written_to(tmp_path / "texts.jsonl", ["一" * 9] * 3)

    def shorter(state):
        if state.step == "pass 2 of 2":
            path.write_text('{"text": "一"}\n{bad', "utf-8")

    with pytest.raises(DataError, match="than"):
        find_duplicates(settings, shorter)


def test_the_command_lists_and_says_what_to_do_next(settings, tmp_path, capsys):
    written_to(tmp_path / "texts.jsonl", [ALPHABET, ALPHABET])
    line = ["dedup", *settings.inputs, "--out", settings.out, "--workers", "1"]
    assert main([*line, "--dry-run"]) == 0
    assert "1 file," in capsys.readouterr().out
    assert not Path(settings.out).exists()
    assert main([*line, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "out": settings.out, "documents": 2, "exact": 1, "near": 0, "unusable": 0,
    }  # fmt: skip
    assert main(["dedup", *settings.inputs, "--out", str(tmp_path / "other.tsv")]) == 0
    assert "corpus-tools build" in capsys.readouterr().out
    assert main([*line, "--dry-run"]) == 73
