"""A small vocabulary, on disk and in memory, for all tests of corpus_tools."""

from __future__ import annotations

import pytest
from odd_texts import SENTENCES, small_vocabulary

from corpus_tools.encode.vocabulary import Vocabulary


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return small_vocabulary()


@pytest.fixture
def vocab_file(tmp_path, vocabulary):
    path = tmp_path / "small_vocab.txt"
    path.write_text("".join(f"{token}\n" for token in vocabulary.tokens), "utf-8")
    return path


@pytest.fixture
def text_file(tmp_path):
    """Twelve documents of two lines."""
    path = tmp_path / "news.txt"
    lines = [f"{SENTENCES[n % len(SENTENCES)]}\n第{n}行。" for n in range(12)]
    path.write_text("\n\n".join(lines) + "\n", "utf-8")
    return path
