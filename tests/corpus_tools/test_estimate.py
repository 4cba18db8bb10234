"""Estimates: right where all is read, near where it is not, and honest about what they leave out."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from odd_texts import SENTENCES
from small_builds import small_settings

from corpus_tools import estimate as estimating
from corpus_tools.build import build, plan_build
from corpus_tools.build_settings import BuildSettings
from corpus_tools.cli import main
from corpus_tools.estimate import Estimate, estimate


@pytest.fixture
def settings(tmp_path, text_file, vocab_file):
    return small_settings(text_file, vocab_file, tmp_path / "out")


def of(settings: BuildSettings) -> Estimate:
    plan = plan_build(settings)
    return estimate(plan, plan.jobs)


def texts(n):
    """Texts that pack to no less than half: a file that is read in one go would prove nothing."""
    draw = np.random.default_rng(5)
    return ["".join(map(chr, draw.integers(0x4E00, 0x9000, draw.integers(10, 500)))) for _ in range(n)]


def write(path, n):
    lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts(n)) + "{bad\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines.encode()))
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({"text": [*texts(n), ""]}), path, row_group_size=300)
    else:
        path.write_text(lines, "utf-8")


def test_a_corpus_that_is_read_in_full_is_counted_and_not_guessed(settings):
    made = of(settings)
    manifest = build(settings)
    assert made.read == 1
    assert made.sampled == 12
    assert made.amounts.documents == pytest.approx(manifest.accounting.documents_out)
    assert made.amounts.tokens == pytest.approx(manifest.tokens)


@pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz", "all.parquet"])
@pytest.mark.parametrize("split_bytes", [300_000, 1 << 26])
def test_a_corpus_that_is_read_in_part_is_estimated_within_a_fifth(settings, tmp_path, name, split_bytes, monkeypatch):
    monkeypatch.setattr(estimating, "PLACES", 8)
    monkeypatch.setattr(estimating, "READ_CHARS", 50_000)
    monkeypatch.setattr(estimating, "ENCODE_CHARS", 5_000)
    write(tmp_path / name, 4000)
    asked = replace(settings, inputs=(str(tmp_path / name),), split_bytes=split_bytes)
    made = of(asked)
    manifest = build(asked)
    assert 0 < made.read < 0.8
    assert 0 < made.error < 0.5
    assert made.amounts.documents == pytest.approx(manifest.accounting.documents_out, rel=0.2)
    assert made.amounts.tokens == pytest.approx(manifest.tokens, rel=0.2)
    assert made.amounts.bytes == pytest.approx(manifest.bytes, rel=0.2)


def test_what_would_be_dropped_is_told_by_reason(settings, tmp_path):
    write(tmp_path / "all.jsonl", 20)
    with (tmp_path / "all.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"text": "\\u0000"}\n' * 5)
    made = of(replace(settings, inputs=(str(tmp_path / "all.jsonl"),), split_bytes=1 << 20))
    assert made.amounts.dropped == pytest.approx({"bad_json": 1, "no_tokens": 5})
    assert made.amounts.documents == pytest.approx(20)


def test_splits_without_a_place_are_stood_for_by_those_with_one(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(estimating, "PLACES", 4)
    for n in range(40):
        (tmp_path / f"{n}.txt").write_text(SENTENCES[0] * 9, "utf-8")
    made = of(replace(settings, inputs=tuple(str(tmp_path / f"{n}.txt") for n in range(40))))
    assert made.read == pytest.approx(0.1)
    assert made.amounts.documents == pytest.approx(40)


def test_an_input_of_unknown_size_is_left_out_by_name(settings):
    plan = plan_build(replace(settings, inputs=(*settings.inputs, "hf:some/set")))
    assert estimate(plan, plan.jobs).left_out == ["hf:some/set"]
    assert estimate(plan, plan.jobs[-1:]).amounts.documents == 0


@pytest.mark.parametrize(
    ("sizes", "n_workers", "last"),
    [([4, 3, 2, 1], 1, 10), ([4, 3, 2, 1], 2, 5), ([9, 1, 1], 2, 9), ([4, 3, 2, 1], 8, 4), ([], 3, 0)],
)
def test_time_is_that_of_the_worker_who_ends_last(settings, sizes, n_workers, last):
    template = plan_build(settings).jobs[0]
    jobs = [replace(template, split=replace(template.split, start=0, end=size)) for size in sizes]
    assert estimating._makespan(jobs, float(sum(sizes)), n_workers) == pytest.approx(last)


def test_the_dry_run_prints_it_and_writes_nothing(text_file, vocab_file, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    line = ["build", str(text_file), "--vocab", str(vocab_file), "--segmenter", "chars", "--tags", ""]
    assert main([*line, "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    said = capsys.readouterr().out
    for words in ("estimate, from 12 documents and 100% of what is left to read", "give or take", "of a worker"):
        assert words in said
    assert sorted(tmp_path.iterdir()) == before
