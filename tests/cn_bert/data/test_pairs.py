from itertools import pairwise

import numpy as np
import pytest
from small_corpus import draw_documents, make_reader

from cn_bert.data.mixture import Mixture
from cn_bert.data.sequences import build_sequences, pairs
from cn_bert.data.sequences.kind import NO_LABEL, RANDOM_NEXT, REAL_NEXT, EpochText, Stream
from cn_bert.data.sequences.pairs import NspPairs, UnlabelledPairs
from corpus_tools.errors import SettingsError


def make_text(documents):
    mixture = Mixture([make_reader(documents)], [1.0], 0)
    return mixture, EpochText(mixture.sentences, mixture.training_documents)


def stream(document):
    return Stream((7, 1, 99, document, 0))


def all_pairs(text, kind, max_tokens):
    return [
        (document, *made)
        for document in text.walks.tolist()
        for made in kind.walk(text, document, max_tokens, stream(document))
    ]


def ids_of(mixture, piece):
    document, start, end = piece
    return mixture.ids(document)[start:end].tolist()


def google_pairs(documents, number, max_tokens, draw, short=0.1, random_next=0.5):
    """create_instances_from_document of google-research/bert, over lists of lists of ids, step by step."""
    document = documents[number]
    max_num_tokens = max_tokens - 3
    target_seq_length = max_num_tokens
    if draw.next() < short:
        target_seq_length = 2 + draw.below(max_num_tokens - 1)
    instances, current_chunk, current_length, i = [], [], 0, 0
    while i < len(document):
        segment = document[i]
        current_chunk.append(segment)
        current_length += len(segment)
        if i == len(document) - 1 or current_length >= target_seq_length:
            a_end = 1
            if len(current_chunk) >= 2:
                a_end = 1 + draw.below(len(current_chunk) - 1)
            tokens_a = [token for sentence in current_chunk[:a_end] for token in sentence]
            tokens_b = []
            if len(current_chunk) == 1 or draw.next() < random_next:
                is_random_next = True
                target_b_length = target_seq_length - len(tokens_a)
                for _ in range(10):
                    random_document_index = draw.below(len(documents))
                    if random_document_index != number:
                        break
                random_document = documents[random_document_index]
                random_start = draw.below(len(random_document))
                for j in range(random_start, len(random_document)):
                    tokens_b.extend(random_document[j])
                    if len(tokens_b) >= target_b_length:
                        break
                i -= len(current_chunk) - a_end
            else:
                is_random_next = False
                tokens_b = [token for sentence in current_chunk[a_end:] for token in sentence]
            while len(tokens_a) + len(tokens_b) > max_num_tokens:
                longer = tokens_a if len(tokens_a) > len(tokens_b) else tokens_b
                if draw.next() < 0.5:
                    del longer[0]
                else:
                    longer.pop()
            instances.append((tokens_a, tokens_b, is_random_next))
            current_chunk, current_length = [], 0
        i += 1
    return instances


@pytest.mark.parametrize("max_tokens", [5, 16, 64, 128, 1000])
def test_pairs_are_those_of_the_loop_over_sentences_of_ids(max_tokens):
    documents = draw_documents(max_tokens, 80)
    mixture, text = make_text(documents)
    sentences = []
    for document in range(len(documents)):
        bounds = text.bounds(document)
        ids = mixture.ids(document).tolist()
        sentences.append([ids[start:end] for start, end in pairwise(bounds)])

    n_pairs = 0
    for number in range(len(documents)):
        made = list(NspPairs().walk(text, number, max_tokens, stream(number)))
        slow = google_pairs(sentences, number, max_tokens, stream(number))
        found = [([ids_of(mixture, piece) for piece in two], label) for label, two in made]
        assert found == [([a, b], REAL_NEXT - is_random) for a, b, is_random in slow]
        n_pairs += len(made)
    assert n_pairs > 80


def test_every_sentence_is_an_a_or_a_real_b_once_before_truncation(monkeypatch):
    monkeypatch.setattr(pairs, "truncate", lambda a, b, room, draw: (a, b))
    mixture, text = make_text(draw_documents(3, 60))

    used = {document: [] for document in range(60)}
    for document, label, (a, b) in all_pairs(text, NspPairs(), 64):
        used[document] += [a, b] if label == REAL_NEXT else [a]

    for document, pieces in used.items():
        assert [piece[0] for piece in pieces] == [document] * len(pieces)
        assert [pieces[0][1], *(piece[2] for piece in pieces)] == [
            *(piece[1] for piece in pieces),
            mixture.lengths[document],
        ]


def test_truncation_keeps_pairs_within_their_length_and_both_segments_filled():
    _, text = make_text(draw_documents(4, 60, tokens=(1, 200)))

    for _, _, ((_, a_start, a_end), (_, b_start, b_end)) in all_pairs(text, NspPairs(), 48):
        assert a_end > a_start
        assert b_end > b_start
        assert a_end - a_start + b_end - b_start <= 45


def test_a_real_b_goes_on_in_the_document_and_a_random_one_comes_from_another():
    _, text = make_text(draw_documents(5, 60))

    for document, label, (a, b) in all_pairs(text, NspPairs(), 64):
        assert a[0] == document
        assert (b[0] == document) == (label == REAL_NEXT)
        if label == REAL_NEXT:
            assert a[2] <= b[1]


def test_a_real_pair_that_fits_is_one_stretch_of_text():
    _, text = make_text([[5] * 40, [6] * 40])

    real = [(a, b) for _, label, (a, b) in all_pairs(text, NspPairs(short_sequence_probability=0), 10_000) if label]

    assert all(a[2] == b[1] for a, b in real)


def test_somewhat_more_than_half_of_the_pairs_are_random_on_documents_of_many_sentences():
    _, text = make_text(draw_documents(6, 300, sentences=(5, 40), tokens=(2, 12)))

    labels = [label for _, label, _ in all_pairs(text, NspPairs(), 128)]

    assert 0.5 <= labels.count(RANDOM_NEXT) / len(labels) <= 0.62


def test_one_sentence_documents_give_random_pairs_only():
    _, text = make_text(draw_documents(7, 50, sentences=(1, 2)))

    assert {label for _, label, _ in all_pairs(text, NspPairs(), 128)} == {RANDOM_NEXT}


def test_a_corpus_of_one_document_is_paired_with_itself():
    _, text = make_text([[5, 5, 5, 5]])

    made = all_pairs(text, NspPairs(), 16)

    assert made
    assert {b[0] for _, _, (_, b) in made} == {0}


def test_no_random_pairs_come_where_none_are_asked_for():
    _, text = make_text([[9] * 20] * 5)

    made = all_pairs(text, NspPairs(random_next_probability=0, short_sequence_probability=0), 64)

    assert {label for _, label, _ in made} == {REAL_NEXT}


def test_short_sequences_come_as_often_as_asked():
    _, text = make_text([[1] * 100] * 400)

    made = all_pairs(text, NspPairs(short_sequence_probability=0.5, random_next_probability=0), 103)
    first = {document: sum(end - start for _, start, end in two) for document, _, two in reversed(made)}

    assert np.mean(np.array(list(first.values())) < 90) == pytest.approx(0.5 * 88 / 99, abs=0.08)


def test_unlabelled_pairs_are_the_same_pairs_without_a_label():
    _, text = make_text(draw_documents(8, 40))

    labelled = all_pairs(text, NspPairs(), 64)
    unlabelled = all_pairs(text, UnlabelledPairs(), 64)

    assert [(document, two) for document, _, two in labelled] == [(document, two) for document, _, two in unlabelled]
    assert {label for _, label, _ in unlabelled} == {NO_LABEL}


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"max_tokens": 4}, "sequences.max_tokens"),
        ({"short_sequence_probability": 1.5}, "sequences.short_sequence_probability"),
        ({"random_next_probability": -0.1}, "sequences.random_next_probability"),
        ({"random_next": 0.5}, "Did you mean 'random_next_probability'"),
        ({"name": "nsp_pair"}, "Did you mean 'nsp_pairs'"),
    ],
)
def test_settings_out_of_range_or_unknown_are_refused(settings, place):
    with pytest.raises(SettingsError, match=place):
        build_sequences({"name": "nsp_pairs", **settings})
