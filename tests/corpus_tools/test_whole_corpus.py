"""Passes over a corpus: every document once, in shares, with one worker or several."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from corpus_tools.corpus_settings import CorpusSettings
from corpus_tools.errors import StoppedError
from corpus_tools.pool import StopRequest
from corpus_tools.whole_corpus import CorpusReader, one_each, shared_out


@dataclass(frozen=True)
class Ids:
    """The ids of a share's documents."""

    def __call__(self, share, batches):
        return [document.id for documents in batches for document in documents]


@pytest.fixture
def settings(tmp_path):
    for name, n in (("a", 40), ("b", 3), ("c", 0), ("d", 700)):
        lines = [f'{{"text": "第{line}行"}}' for line in range(n)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join([*lines, "{bad"]), "utf-8")
    return CorpusSettings(inputs=(str(tmp_path),), out="", split_bytes=500)


@pytest.fixture
def splits(settings):
    return settings.splits()


def reader(settings, workers, progress=lambda _: None):
    return CorpusReader(replace(settings, workers=workers), StopRequest(), progress)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_shares(settings, splits, workers):
    found = reader(settings, workers).go_over("reading", Ids(), one_each(splits))
    ids = [id for of_share in found.results for id in of_share]
    assert [id.rpartition("/")[2] for id in ids] == [
        f"{name}.jsonl:{line}" for name, n in (("a", 40), ("b", 3), ("d", 700)) for line in range(1, n + 1)
    ]
    assert (found.documents, found.unusable) == (743, 4)


@pytest.mark.parametrize("n_shares", [1, 3, 1000])
def test_shares_hold_every_split_once_and_are_of_about_one_size(splits, n_shares):
    shares = shared_out(splits, n_shares)
    assert [share.number for share in shares] == list(range(min(n_shares, len(splits))))
    dealt = [split for share in shares for split in share.splits]
    assert sorted(dealt, key=splits.index) == splits
    largest = max(split.n_bytes for split in splits)
    assert max(share.n_bytes for share in shares) - min(share.n_bytes for share in shares) <= largest


@pytest.mark.parametrize("workers", [1, 2])
def test_progress_counts_and_a_request_stops(settings, splits, workers):
    seen = []
    found = reader(settings, workers, seen.append).go_over("reading", Ids(), shared_out(splits, 2))
    assert found.documents == 743
    assert (seen[0].done, seen[-1].done) == (0, 2)
    assert "reading · 2 of 2 parts · " in str(seen[-1])

    stopped = reader(settings, workers)
    stopped.stop.asked = True
    with pytest.raises(StoppedError, match="nothing is written") as caught:
        stopped.go_over("reading", Ids(), shared_out(splits, 2))
    assert caught.value.exit_code == 75
