"""The way of transformers 4: words matched as a set against tokens, positions of inner tokens kept beside the line.

A line goes through jieba and the fast tokenizer. Its words of two characters and more make a set; from left to right
the longest run of Chinese tokens that is in the set is one word, wherever that word stood. `chinese_ref` is the list of
the tokens that go on a word. Here for comparison only: words that overlap others elsewhere come out wrong.

Source: the algorithm of examples/.../run_chinese_ref.py and of DataCollatorForWholeWordMask, transformers 4.57.
"""

from __future__ import annotations

from typing import Any

import jieba


def chinese_ref(line: str, tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the ids of a line with [CLS] and [SEP], and which of them go on a word."""
    words = {word for word in jieba.lcut(line) if len(word) > 1 and all(map(_is_chinese, word))}
    longest = max(map(len, words), default=1)
    encoded = tokenizer(line, truncation=False, verbose=False)
    tokens = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    inner = []
    at = 0
    while at < len(tokens):
        length = 1
        if len(tokens[at]) == 1 and _is_chinese(tokens[at]):
            for size in range(min(longest, len(tokens) - at), 1, -1):
                if "".join(tokens[at : at + size]) in words:
                    length = size
                    break
        inner += range(at + 1, at + length)
        at += length
    return encoded["input_ids"], inner


def _is_chinese(character: str) -> bool:
    code = ord(character)
    return 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0xF900 <= code <= 0xFAFF or code >= 0x20000
