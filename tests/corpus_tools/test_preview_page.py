"""On the page marks stand under their tokens as cells of tables, and no text is obeyed."""

import re
from xml.etree import ElementTree

from marked_documents import CHARACTERS, HOSTILE, MarkedDocuments, document, random_documents

from corpus_tools.masking import build_masker
from corpus_tools.preview import sample
from corpus_tools.preview_page import preview_html


def masker_of(reader, **corruption):
    return build_masker({"name": "wwm", "rate": 0.5, "corruption": corruption}, reader.vocabulary)


def rows_of(page):
    """Return each row of marks of the page as (label, the text of the cell at or under each token)."""
    rows = []
    for row in ElementTree.fromstring(page.removeprefix("<!doctype html>")).iter("tr"):
        label, *cells = row
        texts = [cell.text or "" for cell in cells for _ in range(int(cell.get("colspan", "1")))]
        rows.append((label.text, texts))
    return rows


def test_marks_stand_under_their_tokens():
    a = CHARACTERS
    reader = MarkedDocuments([document("first", [a[:2], a[2:3], a[3:6], a[6:8]], [(1, 3, 0), (2, 6, 1)])])
    assert rows_of(preview_html(reader, {})) == [
        ("words", ["[CLS]", *a[:8], "[SEP]"]),
        ("phrases", [""] * 3 + ["idiom"] * 4),
        ("entities", [""] * 2 + ["place"] * 2),
    ]


def test_a_name_is_whole_to_the_pointer_and_widens_nothing():
    a = CHARACTERS
    reader = MarkedDocuments([document("first", [a[:2]], [(0, 2, 0)])])
    reader.kinds = [{"name": "museum_or_other", "mark": "entity"}]
    page = preview_html(reader, {})
    [cell] = [
        cell for cell in ElementTree.fromstring(page.removeprefix("<!doctype html>")).iter("td") if cell.get("title")
    ]
    assert cell.text == cell.get("title") == "museum_or_other"
    [rule] = re.findall(r"\.line \.span \{[^}]*\}", page)
    assert "max-width: 0" in rule
    assert "text-overflow: ellipsis" in rule


def test_a_masking_shows_what_the_model_sees():
    reader = random_documents(1, n_words=12)
    corruptions = {"masked": {"mask": 1, "random": 0, "keep": 0}, "other": {"mask": 0, "random": 1, "keep": 0}}
    maskers = {name: masker_of(reader, **corruption) for name, corruption in corruptions.items()}
    [shown] = sample(reader, maskers)
    rows = dict(rows_of(preview_html(reader, maskers)))
    assert rows["words"] == [token.text for token in shown.tokens]
    for name, mask in shown.masks.items():
        seen = {place: text for place, text in enumerate(rows[name]) if text}
        assert seen == {place: chosen.text or "■" for place, chosen in mask.items()} != {}


def test_a_space_stands_before_words_and_their_marks_and_nowhere_else():
    a = CHARACTERS
    reader = MarkedDocuments([document("first", [a[:2], a[2:4]], [(1, 3, 0), (2, 4, 1)])])
    page = ElementTree.fromstring(preview_html(reader, {}).removeprefix("<!doctype html>"))
    spaced = [(cell.text, "word" in cell.get("class", "").split()) for cell in page.iter("td") if cell.text]
    assert spaced == [
        *[("[CLS]", False), (a[0], True), (a[1], False), (a[2], True), (a[3], False), ("[SEP]", True)],
        *[("idiom", True), ("place", False)],
    ]


def test_the_same_seed_shows_the_same():
    reader = random_documents(9)
    maskers = {"wwm": masker_of(reader)}
    assert preview_html(reader, maskers, 3, seed=5) == preview_html(reader, maskers, 3, seed=5)
    assert preview_html(reader, maskers, 3, seed=5) != preview_html(reader, maskers, 3, seed=6)


def test_text_of_strangers_is_shown_and_not_obeyed():
    bad = [
        "</title><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "' onmouseover='x",
        "\u202e\x1b[31m",
        "长" * 10_000,
    ]
    hostile = MarkedDocuments(
        [document(name, [[token] for token in HOSTILE], [(0, 2, 0)], source=name) for name in bad]
    )
    tame = MarkedDocuments([document("d", [[a] for a in CHARACTERS[:3]], [(0, 2, 0)], source="s") for _ in bad])
    hostile.kinds = [{"name": bad[0], "mark": "entity"}]
    pages = [preview_html(reader, {name: masker_of(reader)}) for reader, name in ((hostile, bad[1]), (tame, "wwm"))]
    loud, quiet = (ElementTree.fromstring(page.removeprefix("<!doctype html>")) for page in pages)
    assert {element.tag for element in loud.iter()} == {element.tag for element in quiet.iter()}
    assert {name for element in loud.iter() for name in element.attrib} <= {n for e in quiet.iter() for n in e.attrib}
    assert not set("\u202e\x1b") & set(pages[0])
    assert max(len(text) for text in loud.itertext() if "{" not in text) < 500


def test_an_empty_folder_has_a_page():
    assert "it becomes [MASK]" in preview_html(MarkedDocuments([]), {})
