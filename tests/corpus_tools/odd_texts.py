"""Texts that break careless tokenizers and aligners, and a vocabulary that knows some of their characters."""

from __future__ import annotations

from corpus_tools.encode.vocabulary import Vocabulary

SENTENCES = [
    "研究生命的起源，他是研究生。",
    "北京大学的学生在天安门广场唱歌！",
    "2024年，OpenAI发布了GPT-4o模型。",
    "云南白药是中国的名药；上海也有。",
    "中华人民共和国成立于1949年10月1日。",
]

ODD = [
    "",
    " ",
    "　　全角空格　和ＡＢＣ１２３，",
    "a[MASK]b[CLS] [SEP][PAD][UNK] [unused1] ##的",
    "é Café naïve e\u0301 的\u0301 ά",
    "한국어 서울 日本語かな",
    "𠮷野家㐂〇豈ﬁ",
    "👨\u200d👩\u200d👧 🇨🇳 1️⃣ ☎️",
    "第一行\r\n第二行\n\n第三行\r尾",
    "零\x00宽\u200b\ufeff字\u00ad符\x1b[31m",
    "x" * 99 + " " + "x" * 100 + " " + "x" * 101 + "的" + "９" * 120,
    "İstanbul ΣΑΣ ß ŉ Ǆ",
    "\u202e反\u2028行\u2029段\x85尾",
    "U.S. Army的3.14、C++和don't。“引号”……——",
    "的" * 300,
    "研究" * 40 + "研",
    "\ue000\U000f0000私\uffff\ufffd",
]


def small_vocabulary(lower_case: bool = True) -> Vocabulary:
    """Return characters of the sentences and some pieces; most odd characters are not in it."""
    characters = sorted({character for text in SENTENCES for character in text if not character.isascii()})
    ascii_characters = [chr(code) for code in range(33, 127) if not (lower_case and chr(code).isupper())]
    pieces = ["##a", "##s", "##x", "##0", "##1", "open", "##ai", "gpt", "mask", "caf", "##e", "xxx", "##xxxx", "2024"]
    jamo = ["ᄒ", "##ᄒ", "##ᅡ", "##ᆫ", "##的", "[unused1]", "\u2028", "第", "行", "一", "宽"]
    head = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return Vocabulary(list(dict.fromkeys(head + ascii_characters + characters + pieces + jamo)), lower_case)
