"""Text of any shape: seconds a MB of texts that are made to be slow, through the whole encoder.

    python bench/any_text.py --vocab VOCAB [--entities LIST]... [--megabytes 1]

Each shape is one document of that many MB: one run without an end, one character again and again, brackets that never
close, marks that outlive normalization, entries that almost match. Prints one JSON object; ends with 1 if a shape takes
more than 3 s a MB.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice

import numpy as np
from rounds import pin, report

from corpus_tools.encode.encoder import Encoder
from corpus_tools.encode.vocabulary import load_vocabulary
from corpus_tools.schema import Document
from corpus_tools.segment.with_jieba import JiebaSegmenter
from corpus_tools.spans import DictionaryTags, Lexicon

LIMIT = 3.0


def repeated(pattern: str) -> Callable[[int], str]:
    """Return a maker of texts of n bytes that repeat a pattern."""
    size = len(pattern.encode())
    return lambda n: "".join(islice(cycle(pattern), n * len(pattern) // size))


def drawn(*ranges: tuple[int, int]) -> Callable[[int], str]:
    """Return a maker of texts of about n bytes of characters drawn from ranges of code points."""

    def make(n: int) -> str:
        codes = np.concatenate([np.arange(first, last) for first, last in ranges])
        codes = codes[(codes < 0xD800) | (codes >= 0xE000)]
        text = "".join(map(chr, np.random.default_rng(0).choice(codes, n)))
        return text[: n * len(text) // len(text.encode())]

    return make


SHAPES: dict[str, Callable[[int], str]] = {
    "的 again and again": repeated("的"),
    "中国 again and again": repeated("中国"),
    "一个 sentence again and again": repeated("他说：“今天天气很好。”"),
    "all Chinese characters at random": drawn((0x4E00, 0x9FD6)),
    "rare Chinese characters at random": drawn((0x3400, 0x4DC0), (0x20000, 0x2A6E0)),
    "all of Unicode at random": drawn((0, 0x110000)),
    "one Latin letter": repeated("a"),
    "one Latin letter with an accent": repeated("é"),
    "one digit": repeated("1"),
    "numbers with dots and percent": repeated("3.14%"),
    "signs of jieba's blocks": repeated("+#&._%-"),
    "base64": drawn((0x30, 0x3A), (0x41, 0x5B), (0x61, 0x7B)),
    "ASCII at random": drawn((0x20, 0x7F)),
    "full-width letters": repeated("ＡＢＣ１２３"),
    "Hangul": drawn((0xAC00, 0xD7A4)),
    "Arabic with marks": drawn((0x600, 0x6FF)),
    "combining marks": drawn((0x300, 0x370)),
    "marks that change places": repeated("\U0001d16d\u302e"),
    "emoji families": repeated("👨\u200d👩\u200d👧\u200d👦"),
    "NUL": repeated("\0"),
    "newlines": repeated("\n"),
    "CR LF": repeated("\r\n"),
    "spaces": repeated(" "),
    "ideographic spaces": repeated("\u3000"),
    "full stops": repeated("。"),
    "dots": repeated("."),
    "dots and letters": repeated("a."),
    "brackets that never close": repeated("（"),
    "quotes that never close": repeated("“"),
    "brackets one in another": lambda n: "（" * (n // 6) + "）" * (n // 6),
    "lines of one character": repeated("字\n"),
    "<": repeated("<"),
    "an entry that almost matches": repeated("中华人民共和国中央人民政府驻香港特别行政区联络办公"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--entities", action="append", default=[])
    parser.add_argument("--megabytes", type=float, default=1)
    args = parser.parse_args()
    pin()
    lists = [Lexicon([(None, path) for path in args.entities])] if args.entities else []
    encoder = Encoder(load_vocabulary(args.vocab), JiebaSegmenter(), [*lists, DictionaryTags()])
    encoder.encode([Document("warm", "", "热身。\U0001d16d\u302e")])
    seconds = {}
    for name, make in SHAPES.items():
        text = make(int(args.megabytes * 1e6))
        since = time.perf_counter()
        encoder.encode([Document("d", "", text)])
        seconds[name] = round((time.perf_counter() - since) / (len(text.encode("utf-8", "surrogatepass")) / 1e6), 3)
    slowest = max(seconds, key=seconds.__getitem__)
    report({"seconds a MB": seconds, "slowest": slowest}, ["numba", "numpy", "tokenizers"])
    return int(seconds[slowest] > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
