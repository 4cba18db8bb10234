"""Plain jsonl to shards: ours against transformers' own path and against the tokenizer alone; one pinned core a side.

    python bench/text_to_shard.py INPUT... --vocab VOCAB [--slow-megabytes 2] [--rounds 5] [--copies 16]

Ours reads the file, segments, marks sentences, tokenizes, sets flags and writes a finished shard folder. The others get
the texts in memory and keep nothing: `chinese_ref` is transformers' path (bench/chinese_ref.py), `encode_batch` the
`tokenizers` library on one thread, ids only. They get whole documents evenly from everywhere, fewer, for they are slow.
Ours runs once without entities and once with the tags of jieba's dictionary, the default.

The gate: ids of every document are those of BertTokenizer with split_special_tokens=True. Then two workers against
one on two cores, over the text `--copies` times, because a worker takes about a second to start. Prints one JSON
object; ends with 1 if the gate fails.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path
from shutil import rmtree

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from chinese_ref import chinese_ref
from rounds import alternate, compare, documents, pin, report, sample
from transformers import BertTokenizer

from corpus_tools.build import build
from corpus_tools.build_settings import BuildSettings
from corpus_tools.encode.vocabulary import load_vocabulary
from corpus_tools.shards.read import open_shards

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import jieba


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--slow-megabytes", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--copies", type=int, default=16, help="of the text, to compare workers on")
    args = parser.parse_args()
    jieba.setLogLevel(logging.ERROR)
    jieba.initialize()
    vocabulary = load_vocabulary(args.vocab)
    fast = BertTokenizer(vocab=vocabulary.id_of, do_lower_case=True)
    alone = vocabulary.corpus_tokenizer()

    with tempfile.TemporaryDirectory() as work:
        plain = Path(work, "texts.jsonl")
        n_bytes = write_plain(args.inputs, plain)
        few = sample(args.inputs, int(args.slow_megabytes * 1e6))
        few_lines = [line for text in few for line in text.split("\n") if line.strip()]
        hundreds = [few_lines[at : at + 100] for at in range(0, len(few_lines), 100)]

        def ours(tags: tuple[str, ...], workers: int = 1, inputs: tuple[str, ...] = (str(plain),)) -> None:
            out = Path(work, "shards")
            rmtree(out, ignore_errors=True)
            build(BuildSettings(inputs=inputs, vocab=args.vocab, out=str(out), tags=tags, workers=workers))

        ours(())
        result = gate(Path(work, "shards"), plain, fast)
        result["bytes a token"] = bytes_a_token(Path(work, "shards"))
        everywhere = os.sched_getaffinity(0)
        pin()
        seconds = alternate(
            {
                "ours": lambda: ours(()),
                "ours with tags": lambda: ours(("nr", "ns", "nt", "nz")),
                "chinese_ref": lambda: [chinese_ref(lines, fast) for lines in hundreds],
                "encode_batch": lambda: alone.encode_batch(few, add_special_tokens=False),
            },
            args.rounds,
        )
        megabytes, few_megabytes = n_bytes / 1e6, sum(len(text.encode()) for text in few) / 1e6
        amounts = {"ours": megabytes, "ours with tags": megabytes} | dict.fromkeys(
            ("chinese_ref", "encode_batch"), few_megabytes
        )
        result |= {"megabytes": round(megabytes, 1), **compare(seconds, amounts, "MB")}
        os.sched_setaffinity(0, everywhere)
        many = tuple(str(path) for path in copied(plain, args.copies))
        seconds = alternate({"two workers": lambda: ours((), 2, many), "one worker": lambda: ours((), 1, many)}, 3)
        result["workers"] = compare(seconds, dict.fromkeys(seconds, megabytes * args.copies), "MB")
    report(result, ["jieba", "tokenizers", "transformers", "numba", "numpy", "pyarrow"])
    return int(result["documents with other ids"] > 0)


def write_plain(inputs: list[str], path: Path) -> int:
    """Write all documents as plain jsonl. Returns the bytes of their texts."""
    n_bytes = 0
    with path.open("w", encoding="utf-8") as file:
        for number, document in enumerate(documents(inputs)):
            file.write(json.dumps({"id": str(number), "text": document.text}, ensure_ascii=False) + "\n")
            n_bytes += len(document.text.encode())
    return n_bytes


def copied(path: Path, copies: int) -> list[Path]:
    """Give a file so many names."""
    names = [path.with_name(f"{number}-{path.name}") for number in range(copies)]
    for name in names:
        os.link(path, name)
    return names


def gate(shards: Path, plain: Path, fast: BertTokenizer) -> dict[str, int]:
    reader = open_shards(shards)
    wrong = 0
    for number, document in enumerate(documents([str(plain)])):
        ids = fast(document.text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
        wrong += reader.ids(number).tolist() != ids
    return {"documents": len(reader), "documents with other ids": wrong}


def bytes_a_token(shards: Path) -> float:
    manifest = open_shards(shards).manifest
    return round(sum(shard.bytes for shard in manifest.shards) / sum(shard.tokens for shard in manifest.shards), 3)


if __name__ == "__main__":
    sys.exit(main())
