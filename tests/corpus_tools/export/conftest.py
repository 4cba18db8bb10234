"""Shard folders to export."""

from __future__ import annotations

import pytest
from odd_texts import SENTENCES

from corpus_tools.build import build
from corpus_tools.build_settings import BuildSettings
from corpus_tools.shards.read import open_shards


@pytest.fixture
def settings(tmp_path, vocab_file):
    """A build of three shards, one of them of a single document."""
    inputs = []
    for number, n_documents in enumerate((4, 1, 3)):
        path = tmp_path / f"part{number}.txt"
        texts = ["\n".join(SENTENCES[n % 5 :]) for n in range(number, number + n_documents)]
        path.write_text("\n\n".join(texts), "utf-8")
        inputs.append(str(path))
    (tmp_path / "药.txt").write_text("云南白药\n中国\n", "utf-8")
    (tmp_path / "语.txt").write_text("成立于\n药是中国\n", "utf-8")
    return {
        "inputs": tuple(inputs),
        "vocab": str(vocab_file),
        "out": str(tmp_path / "shards"),
        "workers": 1,
        "entities": (("名", str(tmp_path / "药.txt")),),
        "phrases": ((None, str(tmp_path / "语.txt")),),
    }


@pytest.fixture
def reader(settings):
    build(BuildSettings(**settings))
    return open_shards(settings["out"])


@pytest.fixture
def reader_without_kinds(settings):
    build(BuildSettings(**settings | {"entities": (), "phrases": (), "tags": ()}))
    return open_shards(settings["out"])
