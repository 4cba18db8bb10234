"""What a person sees of a run: how far it is, and when it will be done."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest
from small_builds import small_settings

from corpus_tools import console
from corpus_tools.build import build
from corpus_tools.build_work import ReadMeter
from corpus_tools.console import ProgressLine
from corpus_tools.progress import Progress, duration

HALF = Progress(shards_done=3, shards=8, documents=1200, tokens=90_000, bytes_read=500, bytes=1000, seconds=60.0)


def test_a_line_says_how_far_how_fast_and_how_long_still():
    said = str(HALF)
    assert said == "3 of 8 shards · 50% · 60 s left · 1,500 tokens a second · 1,200 documents · 90,000 tokens"


@pytest.mark.parametrize(("n_read", "n_bytes"), [(0, 1000), (0, 0)])
def test_time_left_is_not_told_before_it_is_known(n_read, n_bytes):
    begun = Progress(0, 8, 0, 0, n_read, n_bytes, 0.0)
    assert begun.seconds_left is None
    assert str(begun) == "0 of 8 shards · 0 tokens a second · 0 documents · 0 tokens"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (89.4, "89 s"), (95, "2 min"), (5340, "89 min"), (5400, "1 h 30 min"), (360_000, "100 h 00 min")],
)
def test_a_duration_is_written_as_people_say_it(seconds, said):
    assert duration(seconds) == said


def test_a_line_is_printed_now_and_then_where_nobody_watches(capsys, monkeypatch):
    monkeypatch.setattr(console, "PLAIN_SECONDS", 0.0)
    with ProgressLine[Progress]() as line:
        line(HALF)
    assert line.last == HALF
    assert capsys.readouterr().err == f"{HALF}\n"
    monkeypatch.setattr(console, "PLAIN_SECONDS", 3600.0)
    with ProgressLine[Progress]() as line:
        line(HALF)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["news.txt", "news.jsonl.gz"])
def test_bytes_grow_to_all_of_them_while_a_build_reads(tmp_path, text_file, vocab_file, name):
    settings = small_settings(text_file, vocab_file, tmp_path / "out")
    if name.endswith(".gz"):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in text_file.read_text("utf-8").split("\n\n"))
        (tmp_path / name).write_bytes(gzip.compress(lines.encode()))
        settings = replace(settings, inputs=(str(tmp_path / name),))
    seen: list[Progress] = []
    manifest = build(settings, seen.append)
    size = (tmp_path / name).stat().st_size
    assert {each.bytes for each in seen} == {size}
    assert [each.bytes_read for each in seen] == sorted(each.bytes_read for each in seen)
    assert (seen[-1].bytes_read, seen[-1].tokens, seen[-1].shards_done) == (size, manifest.tokens, len(manifest.shards))


def test_workers_tell_of_their_batches_too(tmp_path, text_file, vocab_file):
    settings = replace(small_settings(text_file, vocab_file, tmp_path / "out"), workers=2)
    seen: list[Progress] = []
    build(settings, seen.append)
    assert seen[0].bytes_read == seen[0].tokens == 0
    assert 0 < seen[-1].bytes_read <= seen[-1].bytes
    assert seen[-1].tokens > 0


def test_the_meter_counts_what_was_read_and_never_more_than_there_is(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(100_000))
    meter = ReadMeter(150_000)
    assert meter.more() < 1000  # the meter's own reading
    path.read_bytes()
    assert 100_000 <= meter.more() < 101_000
    path.read_bytes()
    assert 48_000 < meter.more() <= 50_000
    assert meter.rest() == 0
    assert ReadMeter(7).rest() == 7
