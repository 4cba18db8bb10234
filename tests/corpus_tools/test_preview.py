"""What is shown of a folder: which sequences, with which marks, and what each masking makes of them."""

import pytest
from marked_documents import CHARACTERS, HOSTILE, MarkedDocuments, document, random_documents

from corpus_tools.errors import SettingsError
from corpus_tools.masking import build_masker
from corpus_tools.preview import MOST_TITLE, Chosen, Marked, sample

SENTENCE = [CHARACTERS[:2], CHARACTERS[2:3], CHARACTERS[3:6], CHARACTERS[6:8]]
MARKS = [(1, 3, 0), (4, 8, 1)]


def masker_of(reader, **corruption):
    return build_masker({"name": "wwm", "rate": 0.5, "corruption": corruption}, reader.vocabulary)


@pytest.fixture
def one():
    return MarkedDocuments([document("first", SENTENCE, MARKS)])


def only(reader, **settings):
    [shown] = sample(reader, {"wwm": masker_of(reader, **settings)})
    return shown


def test_tokens_know_whether_a_word_begins_and_what_is_special(one):
    tokens = only(one).tokens
    assert [token.text for token in tokens] == ["[CLS]", *CHARACTERS[:8], "[SEP]"]
    assert [place for place, token in enumerate(tokens) if token.spaced] == [1, 3, 4, 7, 9]
    assert [place for place, token in enumerate(tokens) if token.special] == [0, 9]


def test_phrases_and_entities_stand_apart_with_their_kinds(one):
    shown = only(one)
    assert shown.entities == [Marked(2, 4, 0, "place")]
    assert shown.phrases == [Marked(5, 9, 1, "idiom")]


@pytest.mark.parametrize("outcome", ["mask", "random", "keep"])
def test_a_chosen_token_shows_what_the_model_sees(one, outcome):
    shown = only(one, **{"mask": 0, "random": 0, "keep": 0, outcome: 1})
    mask = shown.masks["wwm"]
    assert mask
    for place, chosen in mask.items():
        before = shown.tokens[place].text
        assert chosen.outcome == outcome
        assert {"mask": chosen.text == "", "keep": chosen.text == before, "random": chosen.text != before}[outcome]
    assert f"{len(mask)} {outcome}" in shown.summary


def test_every_masking_draws_of_the_same_sequence(one):
    [shown] = sample(one, {name: masker_of(one, mask=0, random=0, keep=1) for name in ("first", "second")})
    assert shown.masks["first"] == shown.masks["second"] != {}


def test_a_token_is_as_wide_as_the_widest_that_stands_in_its_place(one):
    shown = only(one, mask=1, random=0, keep=0)
    assert shown.widths() == [5, *[2] * 8, 5]
    shown.masks["wwm"] = {1: Chosen("random", "##orage"), 2: Chosen("random", "x")}
    assert shown.widths()[:4] == [5, 7, 2, 2]


def test_sequences_come_from_different_documents_all_over_the_folder():
    reader = random_documents(40, n_words=20)
    maskers = {"wwm": masker_of(reader)}
    names = [int(shown.title[1:]) for shown in sample(reader, maskers, 10, seed=3)]
    assert [name // 4 for name in names] == list(range(10))
    assert len(list(sample(reader, maskers, 100, seed=3))) == 40


def test_the_same_seed_shows_the_same():
    reader = random_documents(9)
    maskers = {"wwm": masker_of(reader)}
    assert list(sample(reader, maskers, 3, seed=5)) == list(sample(reader, maskers, 3, seed=5))
    assert list(sample(reader, maskers, 3, seed=5)) != list(sample(reader, maskers, 3, seed=6))


def test_a_stretch_of_a_document_says_which():
    reader = random_documents(1)
    [shown] = sample(reader, {}, row_tokens=20)
    assert shown.title.startswith("d0, tokens ")
    assert len(shown.tokens) <= 20


def test_text_of_strangers_is_written_as_code_points_and_cut():
    reader = MarkedDocuments([document("\x1b]0;owned\x07" + "长" * 10_000, [[t] for t in HOSTILE], source="\u202ex")])
    reader.kinds = [{"name": "\u2066kind" * 99, "mark": "entity"}]
    [shown] = sample(reader, {})
    texts = [shown.title, shown.source, *(token.text for token in shown.tokens)]
    assert not set("\u202e\u2066\x1b\x07") & set("".join(texts))
    assert [token.text for token in shown.tokens[1:-1]] == ["[U+202E]", "[U+001B][31m", "<script>"]
    assert len(shown.title) == MOST_TITLE
    assert shown.title.endswith("长…")


def test_a_number_below_one_is_refused(one):
    with pytest.raises(SettingsError, match="1 is the least"):
        list(sample(one, {}, n=0))


def test_an_empty_folder_shows_nothing():
    assert list(sample(MarkedDocuments([]), {})) == []
