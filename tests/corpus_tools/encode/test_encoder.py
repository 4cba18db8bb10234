"""Documents to flags and spans: against a slow twin that walks character by character."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_texts import ODD, SENTENCES, small_vocabulary

from corpus_tools.encode.counts import Counts
from corpus_tools.encode.encoder import Encoder
from corpus_tools.errors import SettingsError
from corpus_tools.schema import (
    ENTITY,
    IN_ENTITY,
    IN_PHRASE,
    PARAGRAPH,
    PHRASE,
    SENTENCE,
    SPECIAL,
    WORD,
    Document,
    TextSpan,
)
from corpus_tools.segment import build_segmenter
from corpus_tools.spans import combine
from corpus_tools.text.sentences import paragraphs, sentences

TEXTS = [text for text in ODD + SENTENCES if text.strip()] + ["\n".join(SENTENCES), "  \n前有空行。\n\n后。"]


class Words:
    """A segmenter that cuts before the given characters."""

    fingerprint = "words"
    long_runs_cut = 0

    def __init__(self, every=2):
        self.every = every

    def starts(self, texts):
        return [np.arange(0, len(text), self.every) for text in texts]


class Marks:
    """A finder that returns what it was given, whatever the text."""

    fingerprint = "marks"

    def __init__(self, *spans, kinds=(("名", "entity"), ("语", "phrase"))):
        self.spans, self.kinds = list(spans), kinds

    def find(self, text, word_starts):
        return [span for span in self.spans if span.end <= len(text)], 0


def encode(text, segmenter=None, *finders):
    made = Encoder(small_vocabulary(), segmenter or Words(), finders)
    return made.encode([Document("d", "s", text)])


def slow_flags(text, offsets, starts, spans):
    """Word by word, character by character."""
    word_of, word = [], -1
    for place in range(len(text)):
        word += place in set(starts)
        word_of.append(word)
    flags = []
    for number, (begin, _) in enumerate(offsets):
        previous = offsets[number - 1][1] - 1 if number else None
        flags.append(WORD if previous is None or word_of[begin] != word_of[previous] else 0)
    for bit, pieces in ((SENTENCE, sentences(text)), (PARAGRAPH, paragraphs(text))):
        for start, _ in pieces:
            following = [number for number, (begin, _) in enumerate(offsets) if begin >= start]
            if following:
                flags[following[0]] |= bit
    flags[0] |= SENTENCE | PARAGRAPH
    edges_before, edges_after = {begin for begin, _ in offsets}, {end for _, end in offsets}
    for span in spans:
        inside = [n for n, (begin, end) in enumerate(offsets) if span.start <= begin and end <= span.end]
        touched = [n for n, (begin, end) in enumerate(offsets) if begin < span.end and end > span.start]
        if not inside or inside != touched:
            continue
        assert offsets[inside[0]][0] in edges_before
        assert offsets[inside[-1]][1] in edges_after
        start_bit, inside_bit = (ENTITY, IN_ENTITY) if span.mark == "entity" else (PHRASE, IN_PHRASE)
        flags[inside[0]] |= start_bit
        for number in inside:
            flags[number] |= inside_bit
    return flags


def offsets_of(text):
    return small_vocabulary().corpus_tokenizer().encode(text, add_special_tokens=False).offsets


@pytest.fixture(scope="module")
def jieba():
    return build_segmenter({"name": "jieba"})


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("every", [None, 1, 3], ids=["jieba", "every", "third"])
def test_flags_are_those_of_the_slow_twin(text, every, jieba):
    segmenter = Words(every) if every else jieba
    made = encode(text, segmenter)
    offsets = offsets_of(text)
    if not offsets:
        assert [reject.reason for reject in made.rejects] == ["no_tokens"]
        return
    [document] = made.documents
    assert document.flags.tolist() == slow_flags(text, offsets, segmenter.starts([text])[0].tolist(), [])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flags_and_spans_are_those_of_the_slow_twin_wherever_spans_lie(data):
    text = data.draw(st.sampled_from([text for text in TEXTS if len(text) < 90 and offsets_of(text)]))
    edge = st.integers(0, len(text))
    pairs = data.draw(st.lists(st.tuples(edge, edge, st.booleans()), max_size=6))
    spans = combine([[TextSpan(a, b, "名" if e else "语", "entity" if e else "phrase") for a, b, e in pairs if a < b]])
    every = data.draw(st.integers(1, 5))

    made = encode(text, Words(every), Marks(*spans))

    [document] = made.documents
    starts = range(0, len(text), every)
    assert document.flags.tolist() == slow_flags(text, offsets_of(text), starts, spans)
    assert len(document.spans) + made.counts.rejected.total() == len(spans)
    assert len(document.spans) == made.counts.entities.total() + made.counts.phrases.total()
    assert document.spans.tolist() == sorted(document.spans.tolist())
    for start, end, kind in document.spans.tolist():
        assert document.flags[start] & (ENTITY, PHRASE)[kind]
        assert (document.flags[start:end] & (IN_ENTITY, IN_PHRASE)[kind]).all()


def test_words_are_whole_though_the_same_characters_stand_elsewhere(jieba):
    made = encode("研究生命的起源，他是研究生。", jieba)
    flags = made.documents[0].flags
    assert np.flatnonzero(flags & WORD).tolist() == [0, 2, 4, 5, 7, 8, 9, 10, 13]


def test_a_token_that_straddles_two_words_joins_them_and_is_counted():
    made = encode("天open门", Words(2))  # 天o|pe|n门: "open" is one token
    assert np.flatnonzero(made.documents[0].flags & WORD).tolist() == [0]
    assert made.counts.straddling_tokens == 1
    assert made.counts.words == 1


def test_several_tokens_of_one_character_stay_in_its_word():
    made = encode("한한", Words(1))
    assert np.flatnonzero(made.documents[0].flags & WORD).tolist() == [0, 3]


def test_a_span_with_an_edge_inside_a_token_is_rejected_and_counted():
    inside, whole = TextSpan(0, 2, "名", "entity"), TextSpan(0, 5, "语", "phrase")
    made = encode("天open门", Words(), Marks(inside, whole))
    assert made.documents[0].spans.tolist() == [(0, 2, 1)]
    assert made.counts.rejected == {"inside_token": 1}
    assert made.counts.phrases == {"语": 1}


def test_a_span_of_characters_without_tokens_is_rejected_and_counted():
    made = encode("天\x00\x01门", Words(), Marks(TextSpan(1, 3, "名", "entity")))
    assert made.counts.rejected == {"no_token": 1}


def test_an_entity_and_a_phrase_may_overlap_and_keep_their_own_bits():
    made = encode("研究生命的", Words(), Marks(TextSpan(0, 3, "语", "phrase"), TextSpan(2, 4, "名", "entity")))
    flags = made.documents[0].flags & (ENTITY | IN_ENTITY | PHRASE | IN_PHRASE)
    in_both = IN_PHRASE | ENTITY | IN_ENTITY
    assert flags.tolist() == [PHRASE | IN_PHRASE, IN_PHRASE, in_both, IN_ENTITY, 0]


def test_no_special_bit_and_no_special_id_comes_out_of_text():
    [document] = encode("[MASK]的[CLS][SEP][PAD]").documents
    assert not (document.flags & SPECIAL).any()
    assert not set(document.ids.tolist()) & {0, 2, 3, 4}


def test_a_document_without_a_token_is_rejected_and_the_others_go_on():
    made = Encoder(small_vocabulary(), Words()).encode([Document("a", "s", "\x00\u200b "), Document("b", "s", "的")])
    assert [(reject.id, reject.reason) for reject in made.rejects] == [("a", "no_tokens")]
    assert [document.id for document in made.documents] == ["b"]


def test_the_batch_does_not_matter(jieba):
    made = Encoder(small_vocabulary(), jieba)
    documents = [Document(str(n), "s", text) for n, text in enumerate(TEXTS)]
    together, counts = made.encode(documents), Counts()
    alone = [made.encode([document]) for document in documents]
    for one in alone:
        counts.add(one.counts)
    assert counts == together.counts
    flags = [document.flags.tolist() for one in alone for document in one.documents]
    assert [document.flags.tolist() for document in together.documents] == flags


def test_counts_survive_json():
    counts = encode("天open门", Words(2), Marks(TextSpan(0, 1, "名", "entity"))).counts
    assert Counts.from_json(counts.to_json()) == counts


def test_more_kinds_than_a_byte_holds_are_refused():
    kinds = tuple((f"k{n}", "entity") for n in range(257))
    with pytest.raises(SettingsError, match="257 kinds"):
        encode("的", Words(), Marks(kinds=kinds))
