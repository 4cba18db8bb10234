"""Sentences and paragraphs: where they end, and that they tile the text."""

from __future__ import annotations

import numpy as np
import pytest

from corpus_tools.text import paragraphs, sentences


@pytest.mark.parametrize(
    "parts",
    [
        ["春天来了。", "花开了！", "真的吗？！", "是；", "好"],
        ["他说：“走吧。”", "她没有走。"],
        ["（完。）】", "下一章"],
        ["他……", "走了……。", "后来呢？"],
        ["他说“好！”，就走了。"],
        ["前一句。 　", "后一句。\r"],
        ["圆周率是3.14，版本2.0.1。", "对"],
        ["The U.S. Army has 3.5 million. ", "It is No. 1 of Mr. Li. ", "End."],
        ["In 2020. ", "Next"],
        ["1. 第一项"],
        ["(the end.) ", "Then he left... ", "Really?! ", "Yes"],
        ["见 http://a.cn/x?b=1;c=2 和 x!=y。", "好"],
        ["真的?", "OK!", "好"],
        ["这是一个难题.", "针对模型．", "结果.", "DEM 模型在a.cn上"],
        ["第３．１４节．", "好"],
        ["e.g. this is one. "],
        ["。。。", "好"],
        ["..好"],
        ["没有标点的一行"],
        ["\t缩进。 "],
    ],
)
def test_sentences_end_where_a_reader_ends_them(parts):
    text = "".join(parts)
    assert [text[start:end] for start, end in sentences(text)] == parts


def test_paragraphs_are_lines_that_are_not_blank():
    text = "\n一\n\n 　\n二\r\n三"
    assert [text[start:end] for start, end in paragraphs(text)] == ["一", "二\r", "三"]
    assert paragraphs("") == paragraphs(" \n") == []


@pytest.mark.parametrize("number", range(20))
def test_sentences_tile_the_paragraphs_of_any_text(number):
    draw = np.random.default_rng(number)
    text = "".join(draw.choice([*"春天。！？!?;；….．”）\n\n  　aB3,，:\r\x00"], size=300))
    lines = []
    start = 0
    for line in text.split("\n"):
        if line.strip():
            lines.append((start, start + len(line)))
        start += len(line) + 1
    assert paragraphs(text) == lines

    tiles = sentences(text)
    assert all(start < end for start, end in tiles)
    covered = [place for start, end in tiles for place in range(start, end)]
    assert covered == [place for start, end in lines for place in range(start, end)]
    assert {start for start, _ in lines} <= {start for start, _ in tiles}
