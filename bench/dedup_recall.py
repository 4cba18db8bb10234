"""Measure what `corpus-tools dedup` finds among documents that were edited at random, against exact Jaccard.

    python bench/dedup_recall.py INPUT... [--documents 5000] [--near 0.8] [--seed 0]

Takes documents of INPUT evenly, and makes of each a copy in which characters are replaced, left out or put in at a rate
drawn for each copy so that similarities reach from a half to nearly one. Every pair's true similarity is counted with
Python sets. Prints one JSON object: recall by similarity, and how many lines of the list are wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from corpus_tools.dedup import DedupSettings, find_duplicates
from corpus_tools.dedup.shingles import SHINGLE
from corpus_tools.text.inputs import ReadSettings, find_inputs
from corpus_tools.text.read import Reject, read_split
from corpus_tools.text.splits import plan_splits

SHORTEST = 50
"""Characters of a document that is taken. One edit in a shorter one leaves less than is asked."""
MOST_EDITS = 0.12
"""Of a copy's characters."""
EDGES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)


def texts(inputs: list[str]) -> Iterator[str]:
    for split in plan_splits(find_inputs(inputs)):
        for found in read_split(split, ReadSettings()):
            if not isinstance(found, Reject) and len(found.text) >= SHORTEST:
                yield found.text


def edited(text: str, rate: float, draw: random.Random) -> str:
    """Replace, leave out or double characters at a rate; new ones come from the same text."""
    made = []
    for character in text:
        kind = draw.randrange(3) if draw.random() < rate else None
        if kind != 0:
            made.append(draw.choice(text) if kind == 1 else character)
        if kind == 2:
            made.append(draw.choice(text))
    return "".join(made)


def shingles(text: str) -> frozenset[str]:
    kept = "".join(form(character) for character in text if character.isalnum())
    return frozenset(kept[at : at + SHINGLE] for at in range(max(1, len(kept) - SHINGLE + 1)))


def form(character: str) -> str:
    found = unicodedata.normalize("NFKC", character).lower()
    return found if len(found) == 1 else character


def jaccard(one: str, other: str) -> float:
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


def write_pairs(path: Path, inputs: list[str], n_documents: int, seed: int) -> dict[str, str]:
    """Write originals, then copies, as .jsonl; return the texts by id."""
    draw = random.Random(seed)
    found = list(texts(inputs))
    chosen = found[:: max(1, len(found) // n_documents)][:n_documents]
    made = {f"o{n}": text for n, text in enumerate(chosen)}
    made |= {f"c{n}": edited(text, MOST_EDITS * draw.random() ** 2, draw) for n, text in enumerate(chosen)}
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"id": id, "text": text}, ensure_ascii=False) + "\n" for id, text in made.items())
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--documents", type=int, default=5_000)
    parser.add_argument("--near", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "pairs.jsonl"), Path(folder, "drop.tsv")
        made = write_pairs(path, args.inputs, args.documents, args.seed)
        since = time.perf_counter()
        found = find_duplicates(DedupSettings(inputs=(str(path),), out=str(out), near=args.near, workers=1))
        seconds = time.perf_counter() - since
        rows = [line.split("\t") for line in out.read_text("utf-8").splitlines()]
    kept = {id: id for id in made} | {id: repeated for id, repeated, _ in rows}
    pairs = [(jaccard(made[f"o{n}"], made[f"c{n}"]), kept[f"o{n}"] == kept[f"c{n}"]) for n in range(len(made) // 2)]
    recall = {}
    for low, high in [*pairwise(EDGES), (args.near, 1.0)]:
        inside = [together for similarity, together in pairs if low <= similarity < high]
        recall[f"{low:g} to {high:g}"] = [len(inside), round(sum(inside) / max(len(inside), 1), 4)]
    true = [jaccard(made[id], made[repeated]) for id, repeated, _ in rows]
    told = [1.0 if likeness == "exact" else float(likeness) for _, _, likeness in rows]
    result = {
        "documents": found.documents,
        "characters": sum(map(len, made.values())),
        "pairs and recall by similarity": recall,
        "lines": len(rows),
        "lines below the similarity asked for: ends of chains": sum(similarity < args.near for similarity in true),
        "lowest similarity of a line": round(min(true), 3),
        "greatest error of a similarity": round(max(abs(a - b) for a, b in zip(true, told, strict=True)), 4),
        "seconds": round(seconds, 1),
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
