"""Pages hold themselves, show numbers as readers expect them, and run nothing that text brings along."""

from html.parser import HTMLParser

import pytest

from corpus_tools.errors import DiskError
from corpus_tools.markup import Html, clip, escape, join, tag, visible
from corpus_tools.report import OPEN_ROWS, Section, bars, long_table, number, page, save_page, table

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</textarea></style></title><svg onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "' onmouseover='x",
]


class Elements(HTMLParser):
    """Collects elements and attributes as a browser would see them."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, name, attributes):
        self.found.append((name, dict(attributes)))


def whole_page(text):
    parts = [text, table([[text, 1]], head=[text, "n"]), bars([(text, 2.0)], unit=text), tag("p", text, title=text)]
    return page(text, [Section(text, parts)], lead=text)


@pytest.mark.parametrize("text", HOSTILE)
def test_text_adds_no_element_and_no_attribute(text):
    quiet, loud = Elements(whole_page("quiet")).found, Elements(whole_page(text)).found
    assert [(name, sorted(attributes)) for name, attributes in quiet] == [
        (name, sorted(attributes)) for name, attributes in loud
    ]


def test_a_page_forbids_scripts_and_requests_and_is_whole():
    found = Elements(whole_page("x")).found
    policy = [attributes["content"] for name, attributes in found if attributes.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert ("html", {"lang": "zh"}) in found
    assert not [name for name, attributes in found if name in ("script", "link") or {"src", "href"} & attributes.keys()]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain 中文，。 é 😀", "plain 中文，。 é 😀"),
        ("wide\u3000space", "wide\u3000space"),
        ("\u202eevil\u2066", "[U+202E]evil[U+2066]"),
        ("\x1b[31m\x00\x07", "[U+001B][31m[U+0000][U+0007]"),
        ("\u2028\u200b\ud800", "[U+2028][U+200B][U+D800]"),
        ("two\nlines\t", "two[U+000A]lines[U+0009]"),
    ],
)
def test_unseen_characters_become_visible(text, shown):
    assert visible(text) == shown


def test_a_long_text_is_cut_and_says_so():
    assert clip("长" * 10_000, 4) == "长长长…"
    assert clip("四个字符", 4) == "四个字符"


def test_line_ends_stay_in_markup():
    assert escape("a\n\tb\r") == "a\n\tb[U+000D]"


def test_markup_is_escaped_once():
    once = escape("<&>")
    assert escape(once) is once
    assert tag("p", once, "<") == "<p>&lt;&amp;&gt;&lt;</p>"
    assert join("a", Html("<br/>"), by=" < ") == "a &lt; <br/>"


def test_attributes_are_named_and_left_out():
    assert tag("line", x1=1, stroke_width=2, class_="a", title=None) == '<line x1="1" stroke-width="2" class="a"/>'


@pytest.mark.parametrize(
    ("value", "written"),
    [(1234567, "1,234,567"), (0.150234, "0.1502"), (12345.678, "12,346"), (0, "0"), (1.0, "1"), (-3.5, "-3.5")],
)
def test_numbers_are_written_for_readers(value, written):
    assert number(value) == written


def test_numbers_stand_to_the_right_and_words_to_the_left():
    made = table([["a", 5], ["b", 1234.5]], head=["name", "n"])
    assert '<td>a</td><td class="number">5</td>' in made
    assert '<th>name</th><th class="number">n</th>' in made
    assert '<td class="number">1,234</td>' in made


def test_empty_tables_and_bars_are_made():
    assert "<tbody></tbody>" in table([])
    assert "width:0.00%" in bars([("none", 0)])


def test_rows_beyond_the_first_are_folded_away():
    rows = [(f"row{n}", n) for n in range(OPEN_ROWS + 2)]
    assert "<details>" not in long_table(rows[:OPEN_ROWS], ("name", "n"))
    first, rest = long_table(rows, ("name", "n")).split("<details>")
    assert (first.count("<tr>"), rest.count("<tr>")) == (OPEN_ROWS + 1, 3)
    assert "and 2 more" in rest


def test_a_page_is_saved_whole(tmp_path):
    save_page(tmp_path / "new" / "report.html", page("标题", [Section("x", ["\ud800 lone surrogate"])]))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]
    assert "标题" in (tmp_path / "new" / "report.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_an_error_of_the_disk(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="cannot be made: File exists"):
        save_page(tmp_path / "file" / "report.html", "x")
    (tmp_path / "report.html").mkdir()
    with pytest.raises(DiskError, match=r"report\.html: cannot be written"):
        save_page(tmp_path / "report.html", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "report.html"]
