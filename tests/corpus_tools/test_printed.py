"""What is printed of a folder is aligned, short, and obeys no text."""

from manifests import manifest_of

from corpus_tools.commonest import Commonest
from corpus_tools.printed import MOST_LISTED, print_rows, print_stats, print_table


def test_columns_are_as_wide_as_what_is_in_them(capsys):
    print_table([("地名", "1", "10.00 %"), ("nt", "1,000", "5.00 %")], justify="right")
    assert capsys.readouterr().out.splitlines() == ["地名      1  10.00 %", "nt    1,000   5.00 %"]


def test_whole_numbers_have_separators_and_brackets_are_no_markup(capsys):
    print_rows([("[bold]", 1234567), ("text", "[red]x")])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["[bold]", "1,234,567"],
        ["text", "[red]x"],
    ]


def test_a_list_of_many_kinds_is_cut_short(capsys):
    manifest = manifest_of()
    manifest.kinds[:] = [{"name": f"k{n}", "mark": "entity"} for n in range(MOST_LISTED + 5)]
    print_stats(manifest, Commonest(0, [], []))
    out = capsys.readouterr().out
    assert "... and 5 more kinds" in out
    assert f"k{MOST_LISTED} " not in out


def test_text_of_strangers_is_shown_and_not_obeyed(capsys):
    manifest = manifest_of(unknown_characters={"\u202e": 2, "\x1b": 1})
    manifest.kinds[:] = [{"name": "\x1b]0;owned\x07" + "长" * 10_000, "mark": "entity"}]
    print_stats(manifest, Commonest(1, [("\u2066" + "长" * 10_000, 3)], [[]]))
    out = capsys.readouterr().out
    assert not set("\u202e\u2066\x1b\x07") & set(out)
    assert "[U+202E] 2  [U+001B] 1" in out
    assert max(map(len, out.splitlines())) < 200
