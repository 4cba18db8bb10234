"""Compare a shard folder with its slow twins, document by document: transformers' tokenizer and jieba itself.

    python bench/marks_equal.py SHARDS INPUT... [--documents 20000]

For each document ids have to be those of BertTokenizer with split_special_tokens=True, and a token has to be marked as
a word's start exactly where `jieba.tokenize` begins a word at its first character or inside it. Prints one JSON object;
ends with 1 if a document differs.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jieba
from transformers import AutoTokenizer, BertTokenizer

from corpus_tools.schema import WORD, Document
from corpus_tools.shards.read import open_shards
from corpus_tools.text.inputs import ReadSettings, find_inputs
from corpus_tools.text.read import Reject, read_split
from corpus_tools.text.splits import plan_splits


def documents(inputs: list[str]) -> Iterator[Document]:
    for split in plan_splits(find_inputs(inputs)):
        for found in read_split(split, ReadSettings()):
            if not isinstance(found, Reject):
                yield found


def expected_starts(text: str, offsets: list[tuple[int, int]]) -> list[bool]:
    """Say of each token whether a word begins with it: no character of it belongs to the word of the token before."""
    word_of = [number for number, (word, _, _) in enumerate(jieba.tokenize(text)) for _ in word]
    starts, before = [], -1
    for start, end in offsets:
        starts.append(word_of[start] != before)
        before = word_of[end - 1]
    return starts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--documents", type=int, default=20_000)
    args = parser.parse_args()
    jieba.setLogLevel(logging.WARNING)
    reader = open_shards(args.shards)
    saved = AutoTokenizer.from_pretrained(Path(args.shards) / "tokenizer")
    tokenizer = BertTokenizer(saved.get_vocab(), do_lower_case=True)
    place = {reader.id(number): number for number in range(len(reader))}
    compared = other_ids = other_words = tokens = 0
    since = time.perf_counter()
    for document in documents(args.inputs):
        if compared == args.documents:
            break
        made = reader.document(place[document.id])
        found = tokenizer(
            document.text,
            add_special_tokens=False,
            return_offsets_mapping=True,
            split_special_tokens=True,
            verbose=False,
        )
        compared += 1
        tokens += len(made.ids)
        if made.ids.tolist() != found["input_ids"]:
            other_ids += 1
        elif ((made.flags & WORD) != 0).tolist() != expected_starts(document.text, found["offset_mapping"]):
            other_words += 1
    result = {"documents": compared, "tokens": tokens, "other_ids": other_ids, "other_word_starts": other_words}
    print(json.dumps(result | {"seconds": round(time.perf_counter() - since)}))
    return int(bool(other_ids or other_words))


if __name__ == "__main__":
    sys.exit(main())
