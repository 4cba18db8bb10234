"""Dictionary tags: words are marked by the tag of their whole form."""

from __future__ import annotations

import numpy as np
import pytest

from corpus_tools.errors import SettingsError
from corpus_tools.schema import TextSpan
from corpus_tools.spans import DictionaryTags, build_finder


@pytest.fixture(scope="module")
def finder():
    return build_finder({"name": "dictionary_tags"})


def found(finder, words):
    text = "".join(words)
    starts = np.cumsum([0, *map(len, words)])[:-1].astype(np.int64)
    spans, n_rejected = finder.find(text, starts)
    assert n_rejected == 0
    return [(text[span.start : span.end], span.kind) for span in spans]


def test_persons_places_bodies_and_names_are_marked(finder):
    words = ["韦小宝", "在", "北京", "看", "国务院", "的", "百科", "与", "苹果"]
    assert found(finder, words) == [("韦小宝", "nr"), ("北京", "ns"), ("国务院", "nt"), ("百科", "nz")]
    assert finder.kinds == (("nr", "entity"), ("ns", "entity"), ("nt", "entity"), ("nz", "entity"))


def test_the_words_decide_and_not_the_characters(finder):
    assert found(finder, ["北", "京"]) == []
    assert found(finder, ["北京话"]) == []


def test_words_of_one_character_are_not_marked(finder):
    assert found(finder, ["京", "沪"]) == []


def test_an_empty_text_has_no_span(finder):
    assert finder.find("", np.zeros(0, np.int64)) == ([], 0)


def test_a_user_dictionary_sets_tags(tmp_path):
    path = tmp_path / "user.txt"
    path.write_text("石墨烯飞船 5 nz\n北京 5 n\n", "utf-8")
    assert found(DictionaryTags([path]), ["石墨烯飞船", "北京"]) == [("石墨烯飞船", "nz")]


def test_other_tags_can_be_asked_for():
    finder = DictionaryTags(tags=["t"])
    assert found(finder, ["今天", "北京"]) == [("今天", "t")]
    assert finder.fingerprint != DictionaryTags().fingerprint
    with pytest.raises(SettingsError, match="expected a list"):
        DictionaryTags(tags="nr")


def test_spans_are_entities_with_offsets_into_the_text(finder):
    assert finder.find("在北京", np.array([0, 1]))[0] == [TextSpan(1, 3, "ns", "entity")]
