"""The page of a folder shows what is known of it, folds away what is long, and obeys no text."""

from xml.etree import ElementTree

import pytest
from marked_documents import HOSTILE, MarkedDocuments, document, random_documents

from corpus_tools.build_report import corpus_page, write_build_report
from corpus_tools.report import OPEN_ROWS
from corpus_tools.shards.manifest import Accounting, Manifest, ShardEntry

BAD = [
    "</title></style><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "' onmouseover='x",
    "\u202eevil\u2066",
    "\x1b[31m\x07",
    "长" * 10_000,
    "\u0e49" * 500,
]


def with_manifest(reader, *, kinds, dropped=(), settings=None, n_shards=1, **counters):
    """Give documents a manifest; `kinds` are names of entities."""
    reader.manifest = Manifest(
        tool_version="0",
        settings=settings or {},
        identity={},
        vocabulary={"fingerprint": "0", "size": 9},
        kinds=[{"name": name, "mark": "entity"} for name in kinds],
        shards=[ShardEntry(f"shard-{n:05d}.arrow", len(reader), 100, 300, "0" * 64) for n in range(n_shards)],
        accounting=Accounting(len(reader) + len(dropped), len(reader), dict.fromkeys(dropped, 1)),
        counters={"tokens": 100, **counters},
    )
    reader.kinds = reader.manifest.kinds
    return reader


def parsed(reader):
    return ElementTree.fromstring(corpus_page(reader).removeprefix("<!doctype html>"))


def shown(element):
    return " ".join("".join(element.itertext()).split())


def section(page, title):
    [found] = [each for each in page.iter("section") if each.find("h2").text.startswith(title)]
    return found


@pytest.fixture
def page():
    counters = {
        "entities": {"place": 3},
        "entity_tokens": {"place": 8},
        "unknown_characters": {"“": 5, "\u0301": 1},
        "documents_by_tokens": {"64": 3, "128": 1},
    }
    reader = with_manifest(random_documents(4), kinds=["place", "never"], dropped=["empty"], **counters)
    return parsed(reader)


def test_kinds_have_their_share_of_tokens_and_their_commonest(page):
    kinds = section(page, "Entities and phrases")
    _, place, never = kinds.iter("tr")
    assert [cell.text for cell in place[:4]] == ["place", "entity", "3", "8.00\N{NO-BREAK SPACE}%"]
    assert [cell.text for cell in never[:3]] == ["never", "entity", "0"]
    assert len(list(place.iter("small"))) == 8


def test_bars_say_what_they_count(page):
    titles = [title.text for title in section(page, "Lengths").iter("title")]
    assert titles == ["33 to 64: 3, 75.00 %", "65 to 128: 1, 25.00 %"]


def test_characters_without_a_token_are_named(page):
    rows = [[cell.text for cell in row] for row in section(page, "[UNK]").iter("tr")]
    assert rows[1:] == [
        ["“", "U+201C", "LEFT DOUBLE QUOTATION MARK", "5"],
        ["\N{DOTTED CIRCLE}\u0301", "U+0301", "COMBINING ACUTE ACCENT", "1"],
    ]


def test_the_accounting_stands_in_full(page):
    assert "5 documents were read = 4 kept + 1 dropped" in shown(section(page, "Dropped"))


def test_what_is_long_is_folded_away_and_still_there():
    names = [f"kind{n}" for n in range(256)]
    page = parsed(with_manifest(random_documents(1), kinds=names, n_shards=OPEN_ROWS + 1))
    kinds = section(page, "Entities and phrases")
    assert kinds.find("details/summary").text == f"and {256 - OPEN_ROWS} more"
    assert len(list(kinds.find("details").iter("tr"))) == 256 - OPEN_ROWS + 1
    assert section(page, "Shards").find("details/summary").text == "and 1 more"


def test_text_of_strangers_is_shown_and_not_obeyed():
    quiet = with_manifest(random_documents(1), kinds=["a"] * len(BAD), unknown_characters={"a": 1}, settings={"a": "b"})
    words = [[token] for token in HOSTILE]
    loud = with_manifest(
        MarkedDocuments([document(BAD[0], words, [(0, 3, 0)])]),
        kinds=BAD,
        dropped=[BAD[0]],
        unknown_characters={"<": 2, "\u202e": 1},
        settings={BAD[1]: BAD},
    )
    text = corpus_page(loud)
    assert not set("\u202e\u2066\x1b\x07") & set(text)
    found = {element.tag for element in parsed(loud).iter()}
    assert found <= {element.tag for element in parsed(quiet).iter()} | {"details", "summary"}
    assert max(len(each) for each in parsed(loud).itertext() if "{" not in each) < 1500


def test_a_page_loads_nothing_and_runs_nothing(page):
    policy = [each.get("content") for each in page.iter("meta") if each.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert not [
        each for each in page.iter() if each.tag in ("script", "link", "img") or {"src", "href"} & set(each.keys())
    ]


def test_the_same_shards_give_the_same_page():
    readers = [with_manifest(random_documents(5), kinds=["place", "idiom"]) for _ in range(2)]
    assert corpus_page(readers[0]) == corpus_page(readers[1])


def test_a_folder_without_documents_has_a_page(tmp_path):
    write_build_report(tmp_path / "report.html", with_manifest(MarkedDocuments([]), kinds=[]))
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "No list and no tag was given." in text
    assert "Every character has a token." in text
    assert text.count("Nothing to draw yet.") == 4


def test_one_of_a_thing_is_told_as_one():
    for n, lead in ((1, "1 document, 100 tokens, 1 shard"), (2, "4 documents, 200 tokens, 2 shards")):
        page = parsed(with_manifest(random_documents(n), kinds=["place", "idiom"], n_shards=n))
        assert lead in shown(page)
