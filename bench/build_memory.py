"""Memory and start of a build: its largest process for inputs of growing size, and the seconds until it begins.

    python bench/build_memory.py INPUT... --vocab VOCAB [--megabytes 10 100 1000] [--workers 1]

The inputs' documents are repeated into plain jsonl files of the given sizes. Each build runs as a user runs it, in a
process of its own, and the largest of its processes is read from the operating system. The warm start, tables and
compiled code being kept already, is the time from starting Python to the first line's words, and that of the whole
`corpus-tools build` of a text of one line. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import count, cycle
from pathlib import Path
from statistics import median

from rounds import documents, report

# A child of its own for each build: the operating system tells of the largest child so far.
CHILD = """
import json, resource, subprocess, sys, time
since = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
seconds = time.perf_counter() - since
print(json.dumps([done.returncode, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""


FIRST_WORDS = """
import numpy
from corpus_tools.segment.with_jieba import JiebaSegmenter
from corpus_tools.text.batch import TextBatch
batch = TextBatch.of(["研究生命的起源"])
marks = numpy.zeros(len(batch.codes), numpy.uint8)
JiebaSegmenter().mark(batch, marks)
print(marks.tolist(), flush=True)
"""


def first_words() -> float:
    """Return the seconds from starting Python until it has said where a line's words begin."""
    since = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", FIRST_WORDS], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        return time.perf_counter() - since


def run(command: list[str]) -> tuple[float, float]:
    """Run a command; returns its seconds and the MiB of its largest process."""
    answer = subprocess.run([sys.executable, "-c", CHILD, *command], check=True, capture_output=True, text=True)
    code, seconds, kib = json.loads(answer.stdout)
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return seconds, kib / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    texts = [document.text for document in documents(args.inputs)]
    tool = [sys.executable, "-m", "corpus_tools"]
    sizes = {}
    with tempfile.TemporaryDirectory() as work:
        for megabytes in args.megabytes:
            path = Path(work, f"{megabytes}.jsonl")
            write(texts, path, megabytes * 1_000_000)
            command = [*tool, "build", str(path), "--vocab", args.vocab, "--out", f"{work}/{megabytes}"]
            seconds, mebibytes = run([*command, "--workers", str(args.workers)])
            sizes[f"{megabytes} MB"] = {"seconds": round(seconds, 1), "MiB of the largest process": round(mebibytes)}
            path.unlink()
        Path(work, "line.txt").write_text("一行字。\n", encoding="utf-8")
        starts = []
        words = [first_words() for _ in range(6)]
        for number in range(6):
            out = f"{work}/line{number}"
            command = [*tool, "build", f"{work}/line.txt", "--vocab", args.vocab, "--out", out, "--workers", "1"]
            starts.append(run(command)[0])
    warm = {"first words": round(median(words[1:]), 3), "build of one line": round(median(starts[1:]), 3)}
    report({"builds": sizes, "seconds of a warm start": warm}, ["numba", "pyarrow"])
    return 0


def write(texts: list[str], path: Path, n_bytes: int) -> None:
    numbers = count()
    with path.open("w", encoding="utf-8") as file:
        for text in cycle(texts):
            file.write(json.dumps({"id": str(next(numbers)), "text": text}, ensure_ascii=False) + "\n")
            if file.tell() >= n_bytes:
                break


if __name__ == "__main__":
    sys.exit(main())
