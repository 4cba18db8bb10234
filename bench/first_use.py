"""What the corpus tool pays once: for code it compiles, and for a list of very many entries.

    python bench/first_use.py [--entries 2000000] [--gigabytes 1]

The first build on a machine is that of one line with nothing kept, beside the same build with compiled code and tables
kept. The list has different words of two to six characters; it is read into tables once, and mapped where they are
kept; memory is what the reading process takes more. Counting lines, which jobs of an array do in files above 64 MiB, is
timed on a file that was just written. Seconds are those of one processor, by the operating system's count, so other
work matters less. Caches are folders that this benchmark makes and removes. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rounds import report

from corpus_tools.encode.vocabulary import SPECIALS, Vocabulary

READ_LIST = """
import json, sys, time
from rounds import peak_bytes
from corpus_tools.spans.lexicon import Lexicon
Lexicon([(None, sys.argv[1])])
before, since = peak_bytes(), time.process_time()
Lexicon([(None, sys.argv[2])])
print(json.dumps({"seconds": round(time.process_time() - since, 2), "MB more": round((peak_bytes() - before) / 1e6)}))
"""
COUNT_LINES = """
import sys, time
from corpus_tools.text.inputs import find_inputs
from corpus_tools.text.splits import plan_splits
since = time.process_time()
plan_splits(find_inputs([sys.argv[1]]))
print(time.process_time() - since)
"""
LINE = "人们在北京大学读书。\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=2_000_000)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        result = {
            "seconds of a build of one line": builds(work),
            f"a list of {args.entries:,} entries": lists(work, args.entries),
            "seconds a GB of counting lines": lines(work, args.gigabytes),
        }
    report(result, ["numba", "numpy", "jieba"])


def builds(work: Path) -> dict[str, float]:
    """Build one line on a machine that has kept nothing, then where everything is kept."""
    (work / "line.txt").write_text(LINE, encoding="utf-8")
    Vocabulary([*SPECIALS, *sorted(set(LINE.strip()))]).save(work / "vocab")
    words = ["build", str(work / "line.txt"), "--vocab", str(work / "vocab"), "--workers", "1", "--out"]
    seconds = {}
    for name in ("first", "again"):
        since = of_children()
        run(work, ["-m", "corpus_tools", *words, str(work / name)])
        seconds[name] = round(of_children() - since, 2)
    return seconds


def of_children() -> float:
    """Return the processor's seconds of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def lists(work: Path, n: int) -> dict[str, Any]:
    """Read a list twice, each time in a process that has its compiled code loaded."""
    draw = random.Random(0)
    words = {"".join(chr(0x4E00 + draw.randrange(3000)) for _ in range(draw.randint(2, 6))) for _ in range(n)}
    while len(words) < n:
        words.add("".join(chr(0x4E00 + draw.randrange(3000)) for _ in range(6)))
    (work / "few.txt").write_text("北京\n", encoding="utf-8")
    (work / "many.txt").write_text("\n".join(sorted(words)), encoding="utf-8")
    read = ["-c", READ_LIST, str(work / "few.txt"), str(work / "many.txt")]
    return {name: json.loads(run(work, read)) for name in ("first", "kept")}


def lines(work: Path, gigabytes: float) -> float:
    """Count the lines of a plain file of documents of some 700 characters."""
    path = work / "lines.jsonl"
    text = (json.dumps({"text": LINE.strip() * 70}, ensure_ascii=False) + "\n").encode() * 1000
    with path.open("wb") as file:
        for _ in range(round(gigabytes * 1e9 / len(text))):
            file.write(text)
    return round(float(run(work, ["-c", COUNT_LINES, str(path)])) / gigabytes, 2)


def run(work: Path, words: list[str]) -> str:
    """Run Python with caches of its own; returns what it prints."""
    caches = {"XDG_CACHE_HOME": str(work / "cache"), "NUMBA_CACHE_DIR": str(work / "numba")}
    paths = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *words],
        env=os.environ | caches | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    main()
