"""Numbers of a folder, put in words."""

from __future__ import annotations

import pytest
from manifests import manifest_of

from corpus_tools.commonest import Commonest
from corpus_tools.summary import headline, histograms, kinds_of, share, to_json, unknown_characters


def test_the_headline_says_how_much_is_marked():
    rows = {name: (number, note) for name, number, note in headline(manifest_of(entity_tokens={"ns": 5, "nt": 2}))}
    assert rows["tokens in entities"] == (7, "7.00\N{NO-BREAK SPACE}% of tokens")
    assert rows["dropped: empty"] == (1, "")
    assert rows["sentences"] == (10, "10.0 tokens each")


def test_kinds_are_told_apart_by_their_mark_and_the_commonest_comes_first():
    found = kinds_of(
        manifest_of(
            entities={"ns": 1, "nt": 3}, entity_tokens={"ns": 2, "nt": 9}, phrases={"ns": 4}, phrase_tokens={"ns": 8}
        )
    )
    assert [(kind.number, kind.name, kind.mark, kind.spans, kind.tokens) for kind in found] == [
        (2, "nt", "entity", 3, 9),
        (0, "ns", "entity", 1, 2),
        (3, "ns", "phrase", 4, 8),
        (1, "idiom", "phrase", 0, 0),
    ]


def test_bins_of_lengths_go_up_by_octaves_without_a_gap():
    documents, *_ = histograms(manifest_of(documents_by_tokens={"16": 2, "4": 1, "16384": 1}))
    assert documents.bins[:4] == [("4", "3 to 4", 1), ("8", "5 to 8", 0), ("16", "9 to 16", 2), ("32", "17 to 32", 0)]
    assert documents.bins[-1] == ("16k", "8,193 to 16,384", 1)


@pytest.mark.parametrize(
    ("edge", "bin"),
    [("1", ("1", "1", 7)), ("2", ("2", "2", 7)), (str(1 << 27), ("134M", "67,108,865 to 134,217,728", 7))],
)
def test_the_ends_of_the_bins_have_names(edge, bin):
    _, sentences, *_ = histograms(manifest_of(sentences_by_tokens={edge: 7}))
    assert sentences.bins == [bin]


def test_words_have_ten_bins_of_which_the_last_is_open():
    *_, by_characters, _ = histograms(manifest_of(words_by_characters={"1": 5, "10": 2}))
    assert [short for short, _, _ in by_characters.bins] == [*map(str, range(1, 10)), "10+"]
    assert [count for *_, count in by_characters.bins] == [5, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert by_characters.bins[-1][1] == "10 or more"


def test_a_folder_without_documents_has_no_bins():
    assert [found.bins for found in histograms(manifest_of())] == [[], [], [], []]


def test_characters_without_a_token_are_ranked_and_ties_stand_by_code_point():
    assert unknown_characters(manifest_of(unknown_characters={"乙": 1, "“": 9, "丙": 1, "”": 1})) == [
        ("“", 9),
        ("”", 1),
        ("丙", 1),
        ("乙", 1),
    ]


def test_a_share_of_nothing_is_none():
    assert share(0, 0) == "none"


def test_the_json_holds_counters_shares_and_kinds_with_their_commonest():
    sample = Commonest(3, [("的", 5)], [[("北京", 2)], [], [], []])
    found = to_json(manifest_of(entities={"ns": 2}, entity_tokens={"ns": 4}, unknown_tokens=1), sample)
    assert found["entity_share"] == 0.04
    assert found["unknown_share"] == 0.01
    assert found["counters"]["entities"] == {"ns": 2}
    assert found["kinds"][0]["commonest"] == [("北京", 2)]
    assert (found["commonest_words"], found["sampled_documents"]) == ([("的", 5)], 3)
