"""Phrases of a corpus: the same list as counters of tuples give, whatever the workers and the parts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from slow_phrases import slow_phrases, spaces_between

from corpus_tools.cli import main
from corpus_tools.errors import DataError, OutputError, SettingsError, StoppedError
from corpus_tools.phrases import PhraseSettings, mine_phrases
from corpus_tools.segment import build_segmenter, word_starts
from corpus_tools.segment.loaded_jieba import LoadedJieba
from corpus_tools.spans import Lexicon
from corpus_tools.text.batch import TextBatch
from corpus_tools.text.filters import Filters
from corpus_tools.text.simplify import Simplifier

TESTS = Path(__file__).parent.parent
WORDS = [*"的是在人有我他这个们中来上大为和国地到以", "研究", "生命", "起源", "大学", "Linux", "３", "，", "。", "\n"]
SET_PHRASES = ["生命起源", "研究大学", "中国人", "Linux内核", "来上个大"]


def texts_of(seed, n=30):
    """Random characters with phrases strewn in."""
    draw = np.random.default_rng(seed)
    for _ in range(n):
        words = draw.choice(WORDS, size=draw.integers(5, 120), p=weights()).tolist()
        for at in sorted(draw.integers(len(words), size=len(words) // 9), reverse=True):
            words.insert(at, SET_PHRASES[draw.integers(len(SET_PHRASES))])
        yield "".join(words)


def weights():
    made = 1 / np.arange(1, len(WORDS) + 1)
    return made / made.sum()


def written_to(path, texts):
    path.write_text("\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts), "utf-8")
    return path


@pytest.fixture
def settings(tmp_path):
    return PhraseSettings(
        inputs=(str(tmp_path / "texts.jsonl"),),
        out=str(tmp_path / "mined.txt"),
        min_count=4,
        min_pmi=1.0,
        min_entropy=0.5,
        segmenter="chars",
        workers=1,
    )


def rows(settings):
    return [line.split("\t") for line in Path(settings.out).read_text("utf-8").splitlines()]


def lists_agree(listed, expected):
    assert [(text, int(count)) for text, count, *_ in listed] == [row[:2] for row in expected]
    for found, row in zip(listed, expected, strict=True):
        assert [float(value) for value in found[2:]] == pytest.approx(row[2:], abs=0.0051)


@pytest.mark.parametrize("max_words", [2, 4, 6])
@pytest.mark.parametrize("seed", range(3))
def test_the_list_is_that_of_counting_tuples(settings, tmp_path, seed, max_words):
    texts = list(texts_of(seed))
    written_to(tmp_path / "texts.jsonl", texts)

    found = mine_phrases(replace(settings, max_words=max_words))

    expected = slow_phrases(texts, list, 4, 1.0, 0.5, max_words)
    assert len(expected) > 10
    lists_agree(rows(settings), expected)
    assert (found.documents, found.phrases, found.min_count, found.unusable) == (len(texts), len(expected), 4, 0)


def test_words_are_the_segmenters(settings, tmp_path):
    texts = list(texts_of(5, n=60))
    written_to(tmp_path / "texts.jsonl", texts)
    segmenter = build_segmenter({"name": "jieba"})

    def segment(text):
        starts = [*word_starts(segmenter, text), len(text)]
        return [text[a:b] for a, b in pairwise(starts)]

    mine_phrases(replace(settings, segmenter="jieba"))
    lists_agree(rows(settings), slow_phrases(texts, segment, 4, 1.0, 0.5, 4))


def test_words_without_jiebas_model_are_those_of_its_dictionary(settings, tmp_path):
    texts = ["叶倩荷在杭研大厦，" * 3, "叶倩荷到杭研大厦。叶倩荷的杭研大厦"]
    written_to(tmp_path / "texts.jsonl", texts)
    changed = replace(settings, segmenter="jieba", hmm=False, min_count=2, min_pmi=-9.0, min_entropy=0.0)
    mine_phrases(changed)
    without_model = partial(LoadedJieba().tokenizer.lcut, HMM=False)
    lists_agree(rows(settings), slow_phrases(texts, without_model, 2, -9.0, 0.0, 4))


def test_words_of_a_simplified_copy_make_phrases_of_the_traditional_text(settings, tmp_path):
    texts = ["我在臺灣大學讀書，他也在臺灣大學讀書。", "臺灣大學讀書的人，在臺灣大學讀書"]
    written_to(tmp_path / "texts.jsonl", texts)
    simplifier, segmenter = Simplifier(), build_segmenter({"name": "jieba"})

    def segment(text):
        starts = [*word_starts(segmenter, simplifier.text(text)[0]), len(text)]
        return [text[a:b] for a, b in pairwise(starts)]

    changed = replace(settings, segmenter="jieba", segment_as="simplified", min_count=2, min_pmi=-9.0, min_entropy=0.0)
    mine_phrases(changed)
    lists_agree(rows(settings), slow_phrases(texts, segment, 2, -9.0, 0.0, 4))
    assert "臺灣大學讀書" in {row[0] for row in rows(settings)}


@pytest.mark.parametrize("workers", [1, 2])
def test_phrases_are_those_of_the_text_that_build_sees(settings, tmp_path, workers):
    texts = list(texts_of(3))
    written_to(tmp_path / "texts.jsonl", texts)
    mine_phrases(settings)
    dirty = [*(f"<p>{text}</p>" for text in texts), "大", *texts[:9]]
    written_to(tmp_path / "dirty.jsonl", dirty)
    drop = tmp_path / "drop.tsv"
    drop.write_text("".join(f"dirty.jsonl:{line}\n" for line in range(len(texts) + 2, len(dirty) + 1)), "utf-8")
    other = replace(settings, inputs=(str(tmp_path / "dirty.jsonl"),), out=str(tmp_path / "other.txt"), workers=workers)

    found = mine_phrases(
        replace(other, clean=("html",), filters=Filters(min_chars=2), drop=str(drop), split_bytes=2000)
    )

    assert Path(other.out).read_bytes() == Path(settings.out).read_bytes()
    assert (found.documents, found.unusable) == (len(texts), 10)


def test_a_phrase_does_not_cross_spaces_even_where_they_are_what_words_stand_between(settings, tmp_path):
    texts = ["研究 生命 起源，" * 9]
    written_to(tmp_path / "texts.jsonl", texts)
    assert slow_phrases(texts, spaces_between, 2, -9.0, 0.0, 4) == []
    with pytest.raises(DataError, match="no sequence of words"):
        mine_phrases(replace(settings, segmenter="presegmented", min_pmi=-9.0, min_entropy=0.0))


def test_of_one_text_in_two_segmentations_the_better_one_stays(settings, tmp_path):
    def segment(text):
        return [text[:2], *text[2:]] if text[-1] in "甲乙" else list(text)

    texts = [f"天地人{end}" for end in "甲乙丙丁" * 4]
    written_to(tmp_path / "texts.jsonl", texts)
    expected = slow_phrases(texts, segment, 2, -9.0, 0.0, 4)
    assert len({row[0] for row in expected}) == len(expected)
    changed = replace(settings, segmenter="by_function:worker_jobs:in_two_ways", min_count=2, min_pmi=-9.0)
    mine_phrases(replace(changed, min_entropy=0.0))
    lists_agree(rows(settings), expected)


def test_neither_workers_nor_parts_change_the_list(settings, tmp_path):
    written_to(tmp_path / "texts.jsonl", texts_of(1, n=60))
    mine_phrases(settings)
    other = replace(settings, workers=2, split_bytes=900, out=str(tmp_path / "other.txt"))
    mine_phrases(other)
    assert Path(other.out).read_bytes() == Path(settings.out).read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"texts.jsonl", "mined.txt", "other.txt"}


def test_by_default_a_phrase_occurs_ten_times(settings, tmp_path):
    written_to(tmp_path / "texts.jsonl", texts_of(1))
    found = mine_phrases(replace(settings, min_count=None))
    assert found.min_count == 10 <= min(int(row[1]) for row in rows(settings))


def test_the_list_is_one_that_build_reads(settings, tmp_path):
    written_to(tmp_path / "texts.jsonl", texts_of(2))
    mine_phrases(settings)
    batch = TextBatch.of([row[0] for row in rows(settings)])
    found = Lexicon([("mined", settings.out)], "phrase").find(batch, np.zeros(len(batch.codes), np.uint8))
    assert [*found.starts, batch.bounds[-1]] == batch.bounds.tolist()


def test_a_corpus_without_phrases_says_what_to_lower(settings, tmp_path):
    (tmp_path / "texts.jsonl").write_text('{"text": "一二三"}\n{bad', "utf-8")
    with pytest.raises(DataError, match=r"occurs 4 times .*Lower --min-count") as caught:
        mine_phrases(settings)
    assert caught.value.exit_code == 65
    assert not Path(settings.out).exists()


def test_what_was_edited_is_not_written_over(settings, tmp_path):
    written_to(tmp_path / "texts.jsonl", ["一"])
    Path(settings.out).write_text("mine", "utf-8")
    with pytest.raises(OutputError, match="exists"):
        mine_phrases(settings)


@pytest.mark.parametrize(
    "change",
    [{"min_count": 1}, {"max_words": 1}, {"max_words": 7}, {"workers": -1}, {"dictionaries": ("d",)}],
)
def test_settings_that_make_no_sense_are_refused(settings, change):
    with pytest.raises(SettingsError, match=next(iter(change))):
        replace(settings, **change)


@pytest.mark.parametrize("step", ["pass 1 of 3", "pass 2 of 3", "pass 3 of 3"])
def test_a_stop_leaves_nothing_behind(settings, tmp_path, step):
    written_to(tmp_path / "texts.jsonl", texts_of(1))

    def progress(state):
        if state.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(StoppedError, match="nothing is written"):
        mine_phrases(settings, progress)
    assert [path.name for path in tmp_path.iterdir()] == ["texts.jsonl"]


def test_a_signal_ends_the_command_with_75(settings, tmp_path):
    written_to(tmp_path / "texts.jsonl", texts_of(1))
    line = ["phrases", *settings.inputs, "--out", settings.out, "--segmenter", "by_function:worker_jobs:slowly"]
    process = subprocess.Popen(
        [sys.executable, "-m", "corpus_tools", *line, "--workers", "2"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent.parent)])},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) == 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 75
    assert told.splitlines()[-1].startswith("corpus-tools: stopped")
    assert [path.name for path in tmp_path.iterdir()] == ["texts.jsonl"]


def test_the_command_lists_and_says_what_to_do_next(settings, tmp_path, capsys):
    written_to(tmp_path / "texts.jsonl", texts_of(1))
    line = [
        "phrases",
        *settings.inputs,
        "--segmenter",
        "chars",
        "--min-pmi",
        "2",
        "--min-entropy",
        "0.5",
        "--workers",
        "1",
    ]
    assert main([*line, "--out", settings.out, "--dry-run"]) == 0
    assert "1 file," in capsys.readouterr().out
    assert not Path(settings.out).exists()
    assert main([*line, "--out", settings.out, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["phrases"] == len(rows(settings)) > 0
    assert main([*line, "--out", str(tmp_path / "other.txt")]) == 0
    assert f"--phrases {tmp_path / 'other.txt'}" in capsys.readouterr().out
    assert main([*line, "--out", settings.out, "--dry-run"]) == 73
