"""The way of transformers 4: words matched as a set against tokens, positions of inner tokens kept beside the line.

Lines go through jieba one by one and through the fast tokenizer a hundred at once. The words of a line of two
characters and more make a set; from left to right the longest run of Chinese tokens that is in the set is one word,
wherever that word stood. `chinese_ref` is the list of the tokens that go on a word. Here for comparison only: words
that overlap others elsewhere come out wrong.

Source: the algorithm of examples/.../run_chinese_ref.py and of DataCollatorForWholeWordMask, transformers 4.57.
"""

from __future__ import annotations

from typing import Any

import jieba


def chinese_ref(lines: list[str], tokenizer: Any) -> list[tuple[list[int], list[int]]]:
    """Return for each line its ids with [CLS] and [SEP], and which of them go on a word."""
    ids = tokenizer(lines, truncation=False, verbose=False)["input_ids"]
    return [(own, _inner(line, tokenizer.convert_ids_to_tokens(own))) for line, own in zip(lines, ids, strict=True)]


def _inner(line: str, tokens: list[str]) -> list[int]:
    words = {word for word in jieba.lcut(line) if len(word) > 1 and all(map(_is_chinese, word))}
    longest = max(map(len, words), default=1)
    inner: list[int] = []
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
    return inner


def _is_chinese(character: str) -> bool:
    code = ord(character)
    return 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0xF900 <= code <= 0xFAFF or code >= 0x20000
