"""Dictionary tags: words are marked by the tag of their whole form."""

from __future__ import annotations

import numpy as np
import pytest

from corpus_tools.errors import SettingsError
from corpus_tools.schema import WORD
from corpus_tools.spans import DictionaryTags, build_finder
from corpus_tools.text.batch import TextBatch


@pytest.fixture(scope="module")
def finder():
    return build_finder({"name": "dictionary_tags"})


def found(finder, *texts):
    """What is found in texts, each a list of words."""
    batch = TextBatch.of(["".join(words) for words in texts])
    marks = np.zeros(len(batch.codes), np.uint8)
    marks[np.cumsum([0, *(len(word) for words in texts for word in words)])[:-1]] |= WORD
    spans = finder.find(batch, marks)
    assert not spans.rejected
    whole = "".join(batch.texts)
    rows = zip(spans.starts.tolist(), spans.ends.tolist(), spans.kinds.tolist(), strict=True)
    return [(whole[start:end], finder.kinds[kind][0]) for start, end, kind in rows]


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
    assert found(finder, []) == found(finder) == []


def test_words_of_a_batch_end_with_their_text(finder):
    assert found(finder, ["在", "北"], ["京"], [], ["北京"]) == [("北京", "ns")]


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


def test_a_tag_that_no_word_has_is_refused_with_the_near_one(tmp_path):
    with pytest.raises(SettingsError, match=r"no word of the dictionary has the tag 'nzz'\. Did you mean 'nz'\?.* ns,"):
        DictionaryTags(tags=["nr", "nzz"])
    path = tmp_path / "user.txt"
    path.write_text("石墨烯飞船 5 nzz\n", "utf-8")
    assert found(DictionaryTags([path], ["nr", "nzz"]), ["石墨烯飞船"]) == [("石墨烯飞船", "nzz")]
