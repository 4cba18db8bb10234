"""Vocabularies out of text: what enters, in which order, and that runs agree."""

from __future__ import annotations

import subprocess
import sys

import pytest
from odd_texts import ODD, SENTENCES, small_vocabulary

from corpus_tools.encode.train import N_UNUSED, extend_vocabulary, take_census, train_vocabulary
from corpus_tools.encode.vocabulary import is_han
from corpus_tools.errors import DataError, SettingsError

LATIN = ["the model learns the words of the language", "models modelled modelling the learner"] * 3


def test_special_entries_stand_where_google_has_them():
    made = train_vocabulary(SENTENCES, 300)
    assert made.tokens[0] == "[PAD]"
    assert made.tokens[1] == "[unused1]"
    assert made.tokens[N_UNUSED] == "[unused99]"
    assert made.tokens[100:104] == ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_characters_enter_by_how_often_they_occur():
    made = train_vocabulary(["的的的的一一一是是不"], 104 + 3)
    assert made.tokens[104:] == ["的", "一", "是"]


def test_every_entry_can_be_matched():
    made = train_vocabulary(SENTENCES + LATIN + ODD, 600)
    for token in made.tokens[104:]:
        bare = token.removeprefix("##")
        assert bare
        assert not any(map(is_han, bare)) or token == bare == bare[0]
        assert not any(character.isupper() for character in bare)


def test_text_that_was_counted_has_no_unknown_character():
    made = train_vocabulary(SENTENCES + LATIN, 500)
    for text in SENTENCES + LATIN:
        assert made.unk_id not in made.tokenizer().encode(text, add_special_tokens=False).ids


def test_common_latin_words_become_whole_tokens():
    made = train_vocabulary(SENTENCES + LATIN, 500)
    assert {"the", "model"} <= set(made.tokens)


def test_the_size_is_kept_and_both_kinds_get_room():
    made = train_vocabulary(SENTENCES + LATIN, 150)
    assert made.size == 150
    assert any(token.startswith("##") or token.isascii() for token in made.tokens[104:])
    assert any(is_han(token[0]) for token in made.tokens[104:])


def test_runs_agree_whatever_the_hash_seed_and_the_order_of_the_text():
    code = (
        "from corpus_tools.encode.train import train_vocabulary as t;import sys;print(t(sys.argv[1:], 180).fingerprint)"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code, *texts], capture_output=True, text=True, check=True).stdout
        for texts in (LATIN + SENTENCES, LATIN + SENTENCES, SENTENCES[::-1] + LATIN)
    }
    assert len(runs) == 1


def test_cased_text_keeps_its_capitals():
    assert "G" in train_vocabulary(["G G 的"], 110, lower_case=False).tokens


@pytest.mark.parametrize("texts", [[], ["", " \n"]])
def test_no_text_makes_no_vocabulary(texts):
    with pytest.raises(DataError, match="no text"):
        train_vocabulary(texts, 200)


def test_a_size_without_room_is_refused():
    with pytest.raises(SettingsError, match="104 entries are special"):
        train_vocabulary(SENTENCES, 104)


def test_extending_keeps_every_id_and_appends_what_is_missing():
    old = small_vocabulary()
    made = extend_vocabulary(old, ["鼯鼠鼯 kernel kernel kernel"], old.size + 30)
    assert made.tokens[: old.size] == old.tokens
    assert {"鼯", "鼠"} <= set(made.tokens[old.size :])
    assert any("kern" in token for token in made.tokens[old.size :])
    assert len(set(made.tokens)) == made.size <= old.size + 30


def test_asked_entries_come_first_and_words_are_refused():
    old = small_vocabulary()
    made = extend_vocabulary(old, [], old.size + 5, [("鼯", "l:1"), ("##tion", "l:2"), ("的", "l:3")])
    assert made.tokens[old.size :] == ["鼯", "##tion"]
    with pytest.raises(SettingsError, match=r"l:4: '研究生' can never match"):
        extend_vocabulary(old, [], old.size + 5, [("研究生", "l:4")])
    with pytest.raises(SettingsError, match=f"ake {old.size + 1} or more"):
        extend_vocabulary(old, SENTENCES, old.size)


def test_the_census_sees_what_the_tokenizer_sees():
    census = take_census(["的的a Model, 模型model"])
    assert census.characters == {"的": 2, "a": 1, ",": 1, "模": 1, "型": 1}
    assert census.words == {"model": 2}
