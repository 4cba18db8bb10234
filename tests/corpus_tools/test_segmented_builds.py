"""Builds whose words are jieba's without its model: the words of jieba.lcut(HMM=False), and another setting."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from corpus_tools.build import build, plan_build
from corpus_tools.build_settings import BuildSettings
from corpus_tools.cli import main
from corpus_tools.encode.vocabulary import Vocabulary
from corpus_tools.errors import DataError, OutputError, SettingsError
from corpus_tools.merge import plan_merge
from corpus_tools.schema import WORD
from corpus_tools.segment.loaded_jieba import LoadedJieba
from corpus_tools.shards.manifest import Part
from corpus_tools.shards.read import open_shards

TEXTS = ["他来到了网易杭研大厦。", "小明毕业于蓬蒙大学，叶倩荷也在。", "李小福是创新办主任也是云计算方面的专家。"]


@pytest.fixture
def settings(tmp_path):
    """A build whose tokens are the characters of the text."""
    path = tmp_path / "names.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), "utf-8")
    head = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    Vocabulary(head + sorted(set("".join(TEXTS))), True).save(tmp_path / "vocab")
    return BuildSettings(
        inputs=(str(path),), vocab=str(tmp_path / "vocab"), out=str(tmp_path / "out"), tags=(), hmm=False, workers=1
    )


def words_of(folder):
    reader = open_shards(folder)
    for number, text in enumerate(TEXTS):
        starts = np.flatnonzero(reader.document(number).flags & WORD).tolist()
        yield [text[start:end] for start, end in pairwise([*starts, len(text)])]


@pytest.mark.parametrize("segmenter", ["jieba", "jieba_itself"])
def test_words_are_those_of_jieba_without_its_model(settings, segmenter):
    manifest = build(replace(settings, segmenter=segmenter))
    tokenizer = LoadedJieba().tokenizer
    assert list(words_of(settings.out)) == [tokenizer.lcut(text, HMM=False) for text in TEXTS]
    assert list(words_of(settings.out)) != [tokenizer.lcut(text) for text in TEXTS]
    assert manifest.settings["hmm"] is False


def test_words_of_a_user_dictionary_are_known_without_the_model_too(settings, tmp_path):
    (tmp_path / "names.txt").write_text("杭研 9 nz\n", "utf-8")
    build(replace(settings, dictionaries=(str(tmp_path / "names.txt"),)))
    assert next(words_of(settings.out))[4] == "杭研"


@pytest.mark.parametrize("first", [True, False])
def test_a_build_with_the_model_does_not_go_on_where_one_without_it_began(settings, first):
    build(replace(settings, hmm=first))
    with pytest.raises(OutputError, match=r"hmm was (true|false), is (false|true)"):
        build(replace(settings, hmm=not first))


def test_parts_with_the_model_and_without_it_do_not_merge(settings, tmp_path):
    parts = [tmp_path / "1", tmp_path / "2"]
    for number, out in enumerate(parts, start=1):
        build(replace(settings, out=str(out), hmm=number == 1, split_bytes=1, part=Part(number, 2)))
    with pytest.raises(DataError, match=r"hmm was (true|false), is (false|true)"):
        plan_merge(parts)


@pytest.mark.parametrize("segmenter", ["chars", "presegmented", "by_function:worker_jobs:slowly"])
@pytest.mark.parametrize(("change", "named"), [({}, "hmm"), ({"hmm": True, "dictionaries": ("d",)}, "dictionaries")])
def test_what_only_jieba_has_is_refused_for_others(settings, segmenter, change, named):
    with pytest.raises(SettingsError, match=f"{named}: only the segmenter jieba"):
        replace(settings, segmenter=segmenter, **change)


def test_the_command_line_takes_the_model_away(settings, monkeypatch, capsysbinary):
    line = ["build", *settings.inputs, "--vocab", settings.vocab, "--out", settings.out, "--tags", "", "--no-hmm"]
    assert main([*line, "--workers", "1"]) == 0
    assert open_shards(settings.out).manifest.identity == plan_build(settings).identity
    capsysbinary.readouterr()
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(TEXTS[0].encode())))
    assert main(["segment", "--no-hmm", "--separator", "/"]) == 0
    assert capsysbinary.readouterr().out.decode() == "/".join(next(words_of(settings.out))) + "\n"
    assert main(["segment", "--no-hmm", "--segmenter", "chars"]) == SettingsError.exit_code


BEFOREHAND = """
import sys
from numba.core.dispatcher import Dispatcher
from corpus_tools.build import plan_build
from corpus_tools.build_settings import BuildSettings
from corpus_tools.schema import Document
from corpus_tools.text.filters import Filters

def n_compiled():
    ours = [module for name, module in sys.modules.items() if name.startswith("corpus_tools")]
    found = {each for module in ours for each in vars(module).values() if isinstance(each, Dispatcher)}
    return sum(len(each.signatures) for each in found)

texts, vocab, entities = sys.argv[1:]
parts = plan_build(BuildSettings(
    inputs=(texts,), vocab=vocab, out="none", entities=((None, entities),), clean=("html", "width"),
    filters=Filters(max_repetition=0.9),
)).parts
parts.compile()
before = n_compiled()
found = iter([Document("1", "s", text) for text in ("<p>他在杭研&amp;</p>用Linux 3.1写《书》！𠮷" * 3, "网易")])
for stage in parts.stages:
    found = stage(found)
parts.encoder.encode(list(found))
print(before > 8, n_compiled() - before)
"""


def test_what_is_compiled_beforehand_is_all_that_documents_need(settings, tmp_path):
    entities = tmp_path / "entities.txt"
    entities.write_text("杭研\n网易\n", "utf-8")
    line = [sys.executable, "-c", BEFOREHAND, *settings.inputs, settings.vocab, str(entities)]
    assert subprocess.run(line, capture_output=True, text=True, check=True).stdout == "True 0\n"


def test_a_users_function_is_not_called_before_there_are_documents(settings, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    plan_build(replace(settings, segmenter="by_function:worker_jobs:fails", hmm=True)).parts.compile()
