"""A preview shows words, marks and masks, the same on a terminal and as a page, and obeys no text."""

import re
from io import StringIO

import pytest
from marked_documents import CHARACTERS, HOSTILE, MarkedDocuments, document, random_documents
from rich.console import Console

from corpus_tools.errors import SettingsError
from corpus_tools.masking import build_masker
from corpus_tools.preview import preview, preview_html, sample

SENTENCE = [CHARACTERS[:2], CHARACTERS[2:3], CHARACTERS[3:6], CHARACTERS[6:8]]
MARKS = [(1, 3, 0), (4, 8, 1)]


def masker_of(reader, **corruption):
    return build_masker({"name": "wwm", "rate": 0.5, "corruption": corruption}, reader.vocabulary)


def printed(reader, masker, *, colour=False, **settings):
    out = StringIO()
    preview(reader, masker, console=Console(file=out, force_terminal=colour, width=10_000), **settings)
    return out.getvalue()


@pytest.fixture
def one():
    return MarkedDocuments([document("first", SENTENCE, MARKS)])


def shown_text(html):
    return re.sub(r"<[^>]+>", "", html)


def test_words_stand_apart_and_marks_stand_in_brackets_without_colour(one):
    masker = masker_of(one, mask=0, random=0, keep=1)
    line = printed(one, masker).splitlines()[-1].replace("=", "").replace("[", "").replace("]", "")
    a = "".join(CHARACTERS)
    assert line == f"CLS {a[0]}{{{a[1]} {a[2]}/place}} {a[3]}<{a[4]}{a[5]} {a[6]}{a[7]}/idiom> SEP"


@pytest.mark.parametrize(
    ("corruption", "form"),
    [({"mask": 1, "random": 0, "keep": 0}, r"\[(.)\]"), ({"mask": 0, "random": 0, "keep": 1}, r"\[(.)=\]")],
)
def test_outcomes_are_told_apart_without_colour(one, corruption, form):
    masker = masker_of(one, **corruption)
    shown = next(sample(one, masker, 1, seed=0))
    chosen = [glyph.text for glyph in shown.glyphs if glyph.outcome in ("mask", "keep")]
    assert chosen
    assert re.findall(form, printed(one, masker).splitlines()[-1]) == chosen


def test_a_random_token_stands_behind_what_it_replaces(one):
    masker = masker_of(one, mask=0, random=1, keep=0)
    shown = next(sample(one, masker, 1, seed=0))
    pairs = [(glyph.text, glyph.drawn) for glyph in shown.glyphs if glyph.outcome == "random"]
    assert pairs
    for was, becomes in pairs:
        assert f"[{was}→{becomes}]" in printed(one, masker)
        assert f"{was}→{becomes}" in shown_text(preview_html(one, masker))


def test_colour_changes_nothing_but_colour(one):
    masker = masker_of(one, mask=1, random=0, keep=0)
    coloured = printed(one, masker, colour=True).splitlines()[-1]
    assert "\x1b[" in coloured
    bare = re.sub(r"\x1b\[[0-9;]*m|/place", "", coloured)
    assert bare.replace(" ", "") == "[CLS]" + "".join(CHARACTERS[:8]) + "[SEP]"


def test_terminal_and_page_show_the_same_sequences():
    reader = random_documents(9)
    masker = masker_of(reader, mask=0, random=0, keep=1)
    text = printed(reader, masker, n=4, row_tokens=60)
    page = shown_text(preview_html(reader, masker, n=4, row_tokens=60))
    lines = [line for line in text.splitlines() if line.startswith("[CLS]")]
    assert len(lines) == 4
    for line in lines:
        characters = re.findall("[\u4e00-\u5000]", line)
        assert 0 < len(characters) <= 58
        assert "".join(characters) in page.replace(" ", "")


def test_sequences_come_from_different_documents_all_over_the_folder():
    reader = random_documents(40, n_words=20)
    names = [int(shown.title[1:]) for shown in sample(reader, masker_of(reader), 10, seed=3)]
    assert [name // 4 for name in names] == list(range(10))
    assert len(list(sample(reader, masker_of(reader), 100, seed=3))) == 40


def test_the_same_seed_shows_the_same():
    reader = random_documents(9)
    masker = masker_of(reader)
    assert preview_html(reader, masker, n=3, seed=5) == preview_html(reader, masker, n=3, seed=5)
    assert preview_html(reader, masker, n=3, seed=5) != preview_html(reader, masker, n=3, seed=6)


def test_text_of_strangers_is_shown_and_not_obeyed():
    name, source = "id\x1b]0;owned\x07<img src=x onerror=alert(1)>", "\u202esource</title><script>"
    reader = MarkedDocuments([document(name, [[token] for token in HOSTILE], source=source)])
    masker = masker_of(reader, mask=0, random=0, keep=1)
    text, page = printed(reader, masker), preview_html(reader, masker)
    for shown in (text, page):
        assert not set("\u202e\x1b\x07") & set(shown)
        assert "[U+202E]" in shown
        assert "[U+001B]" in shown
    assert "<script>" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_an_empty_folder_shows_the_legend_alone():
    reader = MarkedDocuments([])
    assert "becomes [MASK]" in printed(reader, masker_of(reader))


def test_a_number_below_one_is_refused(one):
    with pytest.raises(SettingsError, match="1 is the least"):
        printed(one, masker_of(one), n=0)
