"""On a terminal marks stand under their tokens, with and without colour, and no text is obeyed."""

import re
from io import StringIO

import pytest
from marked_documents import CHARACTERS, HOSTILE, TOKENS, MarkedDocuments, document, random_documents
from rich.cells import cell_len
from rich.console import Console

from corpus_tools.encode.vocabulary import Vocabulary
from corpus_tools.masking import build_masker
from corpus_tools.preview_terminal import preview

SENTENCE = ["研究", "生命", "的", "起源", "。"]
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def sentence(*spans):
    """Make a folder of one sentence: the first characters of the vocabulary stand for its own."""
    places = iter(CHARACTERS)
    reader = MarkedDocuments([document("first", [[next(places) for _ in word] for word in SENTENCE], spans)])
    own = dict(zip(CHARACTERS, "".join(SENTENCE), strict=False))
    reader.vocabulary = Vocabulary([own.get(token, token) for token in TOKENS])
    return reader


def masker_of(reader, **corruption):
    return build_masker({"name": "wwm", "rate": 0.5, "corruption": corruption}, reader.vocabulary)


def printed(reader, maskers, *, colour=False, width=100, **settings):
    out = StringIO()
    console = Console(file=out, force_terminal=colour, color_system="truecolor" if colour else None, width=width)
    preview(reader, maskers, console=console, **settings)
    return out.getvalue()


def rows(text):
    """Return the rows of marks: behind the legend and the heading."""
    return [line.rstrip() for line in text.splitlines()[5:] if line]


def test_marks_stand_under_their_tokens():
    reader = sentence((0, 4, 0), (2, 4, 1), (5, 7, 0))
    assert rows(printed(reader, {})) == [
        "words     [CLS] 研究 生命 的 起源 。 [SEP]",
        "phrases              <-->idiom",
        "entities        {place--}    {--}place",
    ]


def test_names_that_reach_the_next_mark_are_cut_and_move_no_word():
    assert rows(printed(sentence((0, 2, 0), (2, 4, 0)), {})) == [
        "words     [CLS] 研究 生命 的 起源 。 [SEP]",
        "entities        {--} {--}place",
    ]
    assert rows(printed(sentence((0, 2, 0), (4, 5, 0), (5, 7, 0)), {})) == [
        "words     [CLS] 研究 生命 的 起源 。 [SEP]",
        "entities        {--}place {} {--}place",
    ]
    assert rows(printed(sentence((2, 3, 0), (4, 5, 0)), {})) == [
        "words     [CLS] 研究 生命 的 起源 。 [SEP]",
        "entities             {}pl.{}place",
    ]


def test_a_mark_that_is_wider_than_the_line_goes_on():
    reader = sentence((0, 8, 0))
    assert rows(printed(reader, {}, width=10)) == [
        "words     [CLS]",
        "words     研究 生命 的 起源 。",
        "entities  {place-------------}",
        "words     [SEP]",
    ]


@pytest.mark.parametrize(
    ("corruption", "seen"), [({"mask": 1, "random": 0, "keep": 0}, "*"), ({"mask": 0, "random": 0, "keep": 1}, None)]
)
def test_a_masking_shows_what_the_model_sees_under_what_it_hides(corruption, seen):
    reader = sentence()
    words, *marks = rows(printed(reader, {"wwm": masker_of(reader, **corruption)}))
    [mask] = marks
    assert mask.startswith("wwm ")
    wide = [character for character in words for _ in range(cell_len(character))]
    below = [character for character in mask for _ in range(cell_len(character))]
    chosen = [(a, b) for a, b in zip(wide[10:], below[10:], strict=False) if b != " "]
    assert chosen
    assert all(b == (seen or a) for a, b in chosen)


def test_each_masking_has_a_row_of_its_own():
    reader = sentence()
    maskers = {
        "masked": masker_of(reader, mask=1, random=0, keep=0),
        "kept": masker_of(reader, mask=0, random=0, keep=1),
    }
    labels = [row.split()[0] for row in rows(printed(reader, maskers))]
    assert labels == ["words", "masked", "kept"]


def test_colour_changes_nothing_but_colour():
    reader = random_documents(3)
    maskers = {"wwm": masker_of(reader, mask=0.4, random=0.3, keep=0.3)}
    coloured = printed(reader, maskers, colour=True)
    assert "\x1b[" in coloured
    assert ESCAPES.sub("", coloured) == printed(reader, maskers)


def test_lines_fit_the_terminal():
    reader = random_documents(9)
    text = printed(reader, {"wwm": masker_of(reader)}, width=60)
    assert (
        max(cell_len(line) for line in text.splitlines()[4:] if line.startswith(("words", "phrases", "entities"))) <= 60
    )


def test_text_of_strangers_is_shown_and_not_obeyed():
    name = "id\x1b]0;owned\x07"
    reader = MarkedDocuments([document(name, [[token] for token in HOSTILE], [(0, 3, 0)], source="\u202esource")])
    reader.kinds = [{"name": "\u2066\x1b[31mkind", "mark": "entity"}]
    text = printed(reader, {"wwm\x1b[0m": masker_of(reader)})
    assert not set("\u202e\u2066\x1b\x07") & set(text)
    assert {"[U+202E]", "[U+001B]", "[U+2066]", "[U+0007]"} <= set(re.findall(r"\[U\+\w+\]", text))


def test_an_empty_folder_shows_the_legend_alone():
    assert "it becomes [MASK]" in printed(MarkedDocuments([]), {})
