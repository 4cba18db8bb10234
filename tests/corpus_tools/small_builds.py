"""Builds of a few shards that take no second, and what to compare them by."""

from __future__ import annotations

from pathlib import Path

from corpus_tools.build_settings import BuildSettings


def small_settings(text_file, vocab_file, out):
    """Six shards without jieba: characters are words."""
    return BuildSettings(
        inputs=(str(text_file),),
        vocab=str(vocab_file),
        out=str(out),
        segmenter="chars",
        tags=(),
        split_bytes=120,
        workers=1,
    )


def bytes_of(folder):
    """All files below a folder by name."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
