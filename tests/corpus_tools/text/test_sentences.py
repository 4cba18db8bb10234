"""Sentences and paragraphs: where they end, and that they tile the text."""

from __future__ import annotations

import numpy as np
import pytest
import slow_sentences

from corpus_tools.schema import PARAGRAPH, SENTENCE, WORD
from corpus_tools.text import sentences as marking
from corpus_tools.text.batch import TextBatch


def marks_of(texts, word_starts):
    """The marks of a batch whose words begin at the given places of each text."""
    batch = TextBatch.of(texts)
    marks = np.zeros(len(batch.codes), np.uint8)
    for text, first, starts in zip(texts, batch.bounds.tolist(), word_starts, strict=False):
        for start in starts:
            if start < len(text):
                marks[first + start] |= WORD
    marking.mark_sentences(batch, marks, marking.character_tables())
    return marks


def pieces(text, bit, word_starts=frozenset({0})):
    """The text from each mark of a kind to the next, without line ends and blank lines."""
    marks = marks_of([text], [word_starts])
    starts = np.flatnonzero(marks & bit).tolist()
    ends = [*starts[1:], len(text)] if starts else []
    return [text[start:end].split("\n")[0] for start, end in zip(starts, ends, strict=True)]


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
    assert pieces("".join(parts), SENTENCE) == parts


@pytest.mark.parametrize(
    "parts",
    [
        ["他说：“好。我走了。你呢？”", "她没说话。"],
        ["（见上文。另见下文！）", "之后。", "《来吧！冠军》开播了。", "好"],
        ["“没有关上。", "下一句。", "好"],
        ["“里面‘再里面。还有。’完。”", "好"],
        ["「甲。对。」", "「乙。」", "丙"],
        ["“" + "长。" * 20 + "”", "后。", "好"],
        ["“长。", *["长。"] * 119, "长。”", "后。", "好"],
        ["[1. 甲。乙]丙。", "丁"],
    ],
)
def test_what_is_quoted_or_in_brackets_stays_together_unless_it_is_long_or_never_closed(parts):
    assert pieces("".join(parts), SENTENCE) == parts


def test_text_without_punctuation_is_cut_behind_a_comma_or_a_space_else_between_words():
    words = set(range(0, 2000, 3))
    assert [len(piece) for piece in pieces("字" * 1200, SENTENCE, words)] == [510, 510, 180]
    assert [len(piece) for piece in pieces("字" * 299 + "，" + "字" * 700, SENTENCE, words)] == [300, 510, 190]
    assert [len(piece) for piece in pieces("字" * 200 + "，" + "字" * 700, SENTENCE, words)] == [510, 391]
    assert [len(piece) for piece in pieces("字" * 1200, SENTENCE, {0})] == [512, 512, 176]


def test_paragraphs_are_lines_that_are_not_blank():
    assert pieces("\n一\n\n 　\n二\r\n三", PARAGRAPH) == ["一", "二\r", "三"]
    assert pieces("", PARAGRAPH) == pieces(" \n", PARAGRAPH) == []


ALPHABET = [*"春天。！？!?;；….．”“（）)(《》]['’‘\n\n  　aB3éŠ,，:\r\x00", "No.", "etc. ", "U.S. ", "e.g", "\u2028"]


@pytest.mark.parametrize("number", range(200))
def test_marks_are_those_of_the_regular_expressions(number):
    draw = np.random.default_rng(number)
    text = "".join(draw.choice(ALPHABET, size=int(draw.integers(0, 300))))
    word_starts = {0, *draw.integers(0, len(text) + 1, len(text) // 2).tolist()}
    with pytest.MonkeyPatch.context() as patch:
        # Sizes that such texts reach; compiled code has them as constants, so the plain functions are called.
        longest = [40, 512][number % 2]
        if longest == 40:
            patch.setattr(marking, "LONGEST_SENTENCE", longest)
            patch.setattr(marking, "LONGEST_QUOTE", 15)
            for name in ("_mark", "_mark_paragraph", "_closed_behind", "_cut_long"):
                patch.setattr(marking, name, getattr(marking, name).py_func)
        marks = marks_of([text], [word_starts])
    wanted = slow_sentences.sentences(text, word_starts, longest, 15 if longest == 40 else 200)
    assert np.flatnonzero(marks & SENTENCE).tolist() == [start for start, _ in wanted]
    assert np.flatnonzero(marks & PARAGRAPH).tolist() == [start for start, _ in slow_sentences.paragraphs(text)]


def test_texts_of_a_batch_do_not_see_each_other():
    texts = ["他说：“好。", "走了。”", "", "3", ".5 B", "\n\n", "完。"]
    together = marks_of(texts, [{0}] * len(texts))
    alone = [marks_of([text], [{0}]) for text in texts]
    np.testing.assert_array_equal(together, np.concatenate(alone))
