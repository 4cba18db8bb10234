"""Words as offsets: ours against jieba and rjieba, one pinned core, both sides in turn.

    python bench/words.py INPUT... [--megabytes 8] [--rounds 5] [--jobs 1]

The gate comes first: every line of all inputs has to have the words of `jieba.lcut`. Then a sample of whole documents
is segmented by each side as its users call it: ours and rjieba document by document, jieba line by line as its users do
(a document at once is not faster). Prints one JSON object; ends with 1 if a line differs.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

import numpy as np
from rounds import alternate, compare, documents, pin, report, sample

from corpus_tools.segment import word_starts
from corpus_tools.segment.with_jieba import JiebaSegmenter
from corpus_tools.text.batch import TextBatch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import jieba
import rjieba

DOCUMENTS_AT_ONCE = 256


def differing(texts: list[str]) -> tuple[int, int]:
    """Return how many lines of some documents there are and how many have other words than jieba's."""
    jieba.setLogLevel(logging.ERROR)
    segmenter = JiebaSegmenter()
    lines = [line for text in texts for line in text.split("\n")]
    wrong = 0
    for line in lines:
        starts = np.cumsum([0, *map(len, jieba.lcut(line))])[:-1].tolist()
        wrong += word_starts(segmenter, line) != starts
    return len(lines), wrong


def chunks(inputs: list[str]):
    texts = (document.text for document in documents(inputs))
    while some := list(islice(texts, 200)):
        yield some


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--megabytes", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="processes of the gate")
    args = parser.parse_args()
    lines = wrong = 0
    with ProcessPoolExecutor(args.jobs) as pool:
        for n, n_wrong in pool.map(differing, chunks(args.inputs)):
            lines, wrong = lines + n, wrong + n_wrong
    result = {"lines": lines, "lines with other words than jieba's": wrong}

    pin()
    jieba.setLogLevel(logging.ERROR)
    jieba.initialize()
    segmenter, theirs = JiebaSegmenter(), rjieba.Jieba()
    texts = sample(args.inputs, int(args.megabytes * 1e6))
    text_lines = [line for text in texts for line in text.split("\n")]

    def ours() -> None:
        for at in range(0, len(texts), DOCUMENTS_AT_ONCE):
            batch = TextBatch.of(texts[at : at + DOCUMENTS_AT_ONCE])
            marks = np.zeros(len(batch.codes), np.uint8)
            segmenter.mark(batch, marks)
            np.flatnonzero(marks)

    def by_jieba() -> None:
        for line in text_lines:
            jieba.lcut(line)

    def by_rjieba() -> None:
        for text in texts:
            theirs.cut(text)

    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    seconds = alternate({"ours": ours, "jieba": by_jieba, "rjieba": by_rjieba}, args.rounds)
    result |= {"megabytes timed": round(megabytes, 1), **compare(seconds, dict.fromkeys(seconds, megabytes), "MB")}
    report(result, ["jieba", "rjieba", "numba", "numpy"])
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
