"""Documents to flags and spans: against a slow twin that walks character by character."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from batches import documents_of
from hypothesis import given
from hypothesis import strategies as st
from odd_texts import ODD, SENTENCES, small_vocabulary
from slow_sentences import paragraphs, sentences

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
)
from corpus_tools.segment import build_segmenter, word_starts
from corpus_tools.spans import Found

TEXTS = [text for text in ODD + SENTENCES if text.strip()] + ["\n".join(SENTENCES), "  \n前有空行。\n\n后。"]


class Words:
    """A segmenter that cuts at every so many characters."""

    fingerprint = "words"
    long_runs_cut = 0

    def __init__(self, every=2):
        self.every = every

    def mark(self, batch, marks):
        for start, end in pairwise(batch.bounds.tolist()):
            marks[start : end : self.every] |= WORD


class Marks:
    """A finder of one kind that returns what it was given, whatever the text; (start, end) each."""

    fingerprint = "marks"

    def __init__(self, *spans, kinds=(("名", "entity"),)):
        self.spans, self.kinds = sorted(spans), kinds

    def find(self, batch, marks):
        spans = np.array(self.spans, np.int64).reshape(-1, 2)
        return Found(spans[:, 0], spans[:, 1], np.zeros(len(spans), np.int32))


def phrases(*spans):
    return Marks(*spans, kinds=(("语", "phrase"),))


def encode(text, segmenter=None, *finders):
    made = Encoder(small_vocabulary(), segmenter or Words(), finders)
    return made.encode([Document("d", "s", text)])


def only(made):
    [document] = documents_of(made)
    return document


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
    for bit, pieces in ((SENTENCE, sentences(text, starts)), (PARAGRAPH, paragraphs(text))):
        for start, _ in pieces:
            following = [number for number, (begin, _) in enumerate(offsets) if begin >= start]
            if following:
                flags[following[0]] |= bit
    flags[0] |= SENTENCE | PARAGRAPH
    edges_before, edges_after = {begin for begin, _ in offsets}, {end for _, end in offsets}
    for start, stop, mark in spans:
        inside = [n for n, (begin, end) in enumerate(offsets) if start <= begin and end <= stop]
        touched = [n for n, (begin, end) in enumerate(offsets) if begin < stop and end > start]
        if not inside or inside != touched:
            continue
        assert offsets[inside[0]][0] in edges_before
        assert offsets[inside[-1]][1] in edges_after
        start_bit, inside_bit = (ENTITY, IN_ENTITY) if mark == "entity" else (PHRASE, IN_PHRASE)
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
    assert only(made).flags.tolist() == slow_flags(text, offsets, word_starts(segmenter, text), [])


@given(data=st.data())
def test_flags_and_spans_are_those_of_the_slow_twin_wherever_spans_lie(data):
    text = data.draw(st.sampled_from([text for text in TEXTS if len(text) < 90 and offsets_of(text)]))
    edges = st.lists(st.integers(0, len(text)), max_size=8, unique=True).map(sorted)
    entities, others = (list(pairwise(data.draw(edges)))[::2] for _ in range(2))
    every = data.draw(st.integers(1, 5))

    made = encode(text, Words(every), Marks(*entities), phrases(*others))

    document, starts = only(made), range(0, len(text), every)
    spans = [(*span, "entity") for span in entities] + [(*span, "phrase") for span in others]
    assert document.flags.tolist() == slow_flags(text, offsets_of(text), starts, spans)
    assert len(document.spans) + made.counts.rejected.total() == len(spans)
    assert len(document.spans) == made.counts.entities.total() + made.counts.phrases.total()
    assert document.spans.tolist() == sorted(document.spans.tolist())
    for start, end, kind in document.spans.tolist():
        assert document.flags[start] & (ENTITY, PHRASE)[kind]
        assert (document.flags[start:end] & (IN_ENTITY, IN_PHRASE)[kind]).all()


def test_words_are_whole_though_the_same_characters_stand_elsewhere(jieba):
    made = encode("研究生命的起源，他是研究生。", jieba)
    flags = only(made).flags
    assert np.flatnonzero(flags & WORD).tolist() == [0, 2, 4, 5, 7, 8, 9, 10, 13]


def test_a_token_that_straddles_two_words_joins_them_and_is_counted():
    made = encode("天open门", Words(2))  # 天o|pe|n门: "open" is one token
    assert np.flatnonzero(only(made).flags & WORD).tolist() == [0]
    assert made.counts.straddling_tokens == 1
    assert made.counts.words == 1


def test_several_tokens_of_one_character_stay_in_its_word():
    made = encode("한한", Words(1))
    assert np.flatnonzero(only(made).flags & WORD).tolist() == [0, 3]


def test_a_span_with_an_edge_inside_a_token_is_rejected_and_counted():
    made = encode("天open门", Words(), Marks((0, 2)), phrases((0, 5)))
    assert only(made).spans.tolist() == [(0, 2, 1)]
    assert made.counts.rejected == {"inside_token": 1}
    assert made.counts.phrases == {"语": 1}


def test_a_span_of_characters_without_tokens_is_rejected_and_counted():
    made = encode("天\x00\x01门", Words(), Marks((1, 3)))
    assert made.counts.rejected == {"no_token": 1}


def test_an_entity_and_a_phrase_may_overlap_and_keep_their_own_bits():
    made = encode("研究生命的", Words(), phrases((0, 3)), Marks((2, 4)))
    flags = only(made).flags & (ENTITY | IN_ENTITY | PHRASE | IN_PHRASE)
    in_both = IN_PHRASE | ENTITY | IN_ENTITY
    assert flags.tolist() == [PHRASE | IN_PHRASE, IN_PHRASE, in_both, IN_ENTITY, 0]


def test_no_special_bit_and_no_special_id_comes_out_of_text():
    document = only(encode("[MASK]的[CLS][SEP][PAD]"))
    assert not (document.flags & SPECIAL).any()
    assert not set(document.ids.tolist()) & {0, 2, 3, 4}


def test_a_document_without_a_token_is_rejected_and_the_others_go_on():
    made = Encoder(small_vocabulary(), Words()).encode([Document("a", "s", "\x00\u200b "), Document("b", "s", "的")])
    assert [(reject.id, reject.reason) for reject in made.rejects] == [("a", "no_tokens")]
    assert made.names == ["b"]
    assert (made.bounds.tolist(), made.span_bounds.tolist()) == ([0, 1], [0, 0])


def test_the_batch_does_not_matter(jieba):
    made = Encoder(small_vocabulary(), jieba)
    documents = [Document(str(n), "s", text) for n, text in enumerate(TEXTS)]
    together, counts = made.encode(documents), Counts()
    alone = [made.encode([document]) for document in documents]
    for one in alone:
        counts.add(one.counts)
    assert counts == together.counts
    flags = [document.flags.tolist() for one in alone for document in documents_of(one)]
    assert [document.flags.tolist() for document in documents_of(together)] == flags


def test_counts_are_those_of_the_tokens(jieba):
    made = encode("研究生命的起源，他是研究生。猫😀在云南。", jieba, Marks((0, 3), (8, 12)), phrases((2, 9)))
    flags, counts = only(made).flags, made.counts
    assert counts.entity_tokens == {"名": np.count_nonzero(flags & IN_ENTITY)}
    assert counts.phrase_tokens == {"语": np.count_nonzero(flags & IN_PHRASE)}
    assert counts.words_by_tokens.total() == counts.words_by_characters.total() == counts.words
    assert counts.sentences_by_tokens.total() == counts.sentences
    assert counts.documents_by_tokens == {"32": 1}
    assert counts.unknown_characters == {"猫": 1, "😀": 1}


def test_counts_survive_json():
    counts = encode("天open门", Words(2), Marks((0, 1))).counts
    assert Counts.from_json(counts.to_json()) == counts


def test_more_kinds_than_a_byte_holds_are_refused():
    kinds = tuple((f"k{n}", "entity") for n in range(257))
    with pytest.raises(SettingsError, match="257 kinds"):
        encode("的", Words(), Marks(kinds=kinds))


def test_spans_are_counted_from_the_start_of_their_document_and_the_earlier_finder_has_its_way():
    made = Encoder(
        small_vocabulary(), Words(), [Marks((1, 3), (4, 6)), Marks((2, 4), (6, 7), kinds=(("后", "entity"),))]
    )
    made = made.encode([Document("a", "s", "研究生"), Document("空", "s", "\x00"), Document("b", "s", "天安门")])
    assert made.names == ["a", "b"]
    assert [document.spans.tolist() for document in documents_of(made)] == [[(1, 3, 0)], [(0, 2, 0), (2, 3, 1)]]
