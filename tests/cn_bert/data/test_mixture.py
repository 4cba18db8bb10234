import hashlib

import numpy as np
import pytest
from small_corpus import SmallVocabulary, draw_documents, make_reader, make_spans

from cn_bert.data import mixture as module
from cn_bert.data.mixture import Mixture, cut_spans
from corpus_tools.errors import DataError, SettingsError
from corpus_tools.schema import SENTENCE, SPAN_DTYPE


def two_folders(weights=(1.0, 1.0), held_out=0.05):
    one = make_reader(draw_documents(1, 100), name="one")
    two = make_reader(draw_documents(2, 80), name="two", first_id=30_000)
    return Mixture([one, two], weights, held_out)


def test_held_out_documents_are_those_whose_id_hashes_below_the_share():
    mixture = two_folders(held_out=0.05)

    below = [
        document
        for document in range(len(mixture))
        if int.from_bytes(hashlib.sha256(mixture.id(document).encode()).digest()[:8]) < 0.05 * 2**64
    ]

    assert below
    assert mixture.held_out_documents.tolist() == below
    assert sorted([*below, *mixture.training_documents.tolist()]) == list(range(len(mixture)))


def test_at_least_the_lowest_document_is_held_out():
    mixture = two_folders(held_out=1e-12)

    hashes = [hashlib.sha256(mixture.id(document).encode()).digest()[:8] for document in range(len(mixture))]

    assert mixture.held_out_documents.tolist() == [hashes.index(min(hashes))]


def test_a_copy_of_a_held_out_document_in_another_folder_is_held_out_too():
    names = [f"page {number}" for number in range(50)]
    one = make_reader(draw_documents(1, 50), name="one", names=names)
    two = make_reader(draw_documents(1, 50), name="two", names=names, first_id=30_000)

    mixture = Mixture([one, two], [1.0, 2.0], held_out=0.001)

    assert mixture.held_out_documents.size == 2
    assert len({mixture.id(document) for document in mixture.held_out_documents}) == 1


def test_nothing_is_held_out_where_the_share_is_0():
    assert two_folders(held_out=0).held_out_documents.size == 0


def test_one_document_cannot_be_both_held_out_and_trained_on():
    with pytest.raises(DataError, match="held_out to 0"):
        Mixture([make_reader([[5, 6]])], [1.0])


def test_documents_without_a_token_are_never_walked():
    mixture = Mixture([make_reader([[5], [], [4, 4]])], [1.0], 0)

    assert mixture.training_documents.tolist() == [0, 2]
    assert mixture.sentences.of(1).tolist() == [0]


def test_a_weight_says_how_often_documents_are_walked():
    mixture = two_folders(weights=(2.5, 0.5), held_out=0)

    counts = np.mean([np.bincount(mixture.walks(7, epoch), minlength=180) for epoch in range(40)], axis=0)
    once = np.bincount(mixture.walks(7, 0), minlength=180)

    assert set(once[:100].tolist()) == {2, 3}
    assert set(once[100:].tolist()) == {0, 1}
    assert counts[:100].mean() == pytest.approx(2.5, abs=0.05)
    assert counts[100:].mean() == pytest.approx(0.5, abs=0.05)


def test_walks_depend_on_seed_and_epoch_alone():
    mixture = two_folders(weights=(1.5, 0.5))

    np.testing.assert_array_equal(mixture.walks(3, 1), two_folders(weights=(1.5, 0.5)).walks(3, 1))
    assert mixture.walks(3, 1).tolist() != mixture.walks(3, 2).tolist()
    assert mixture.walks(3, 1).tolist() != mixture.walks(4, 1).tolist()


def test_documents_are_numbered_through_the_folders():
    one, two = make_reader([[3], [4]], name="one"), make_reader([[5]], name="two", first_id=500)

    mixture = Mixture([one, two], [1.0, 1.0], 0)

    assert [mixture.id(document) for document in range(3)] == ["one:0", "one:1", "two:0"]
    assert mixture.ids(2).tolist() == [500, 501, 502, 503, 504]
    assert mixture.lengths.tolist() == [3, 4, 5]


def test_shards_of_two_vocabularies_do_not_mix():
    other = make_reader([[5]], name="two", vocabulary=SmallVocabulary(fingerprint="b" * 64))

    with pytest.raises(DataError, match=r"data\.1: made with vocabulary bbbbbb, data\.0 has aaaaaa"):
        Mixture([make_reader([[5]]), other], [1.0, 1.0])


@pytest.mark.parametrize(
    ("weights", "held_out", "place"),
    [((1.0, 0.0), 0.1, r"data\.1\.weight"), ((1.0, -1.0), 0.1, r"data\.1\.weight"), ((1.0, 1.0), 1.5, "held_out")],
)
def test_settings_out_of_range_are_refused(weights, held_out, place):
    with pytest.raises(SettingsError, match=place):
        two_folders(weights, held_out)


def test_the_same_shards_twice_are_refused():
    with pytest.raises(SettingsError, match="raise their weight"):
        Mixture([make_reader([[5]]), make_reader([[5]])], [1.0, 1.0])


def test_the_fingerprint_changes_with_weights_and_held_out_share():
    prints = {
        two_folders().fingerprint,
        two_folders(weights=(1.0, 2.0)).fingerprint,
        two_folders(held_out=0.06).fingerprint,
    }

    assert len(prints) == 3
    assert two_folders().fingerprint in prints


def test_text_before_the_first_sentence_mark_is_a_sentence():
    reader = make_reader([[4, 5]])
    reader.all_flags[0][0] &= ~np.uint8(SENTENCE)

    assert Mixture([reader], [1.0], 0).sentences.of(0).tolist() == [0, 4, 9]


def test_kinds_of_all_folders_are_numbered_through():
    person, place, drug = ({"name": name, "mark": "entity"} for name in ("nr", "ns", "drug"))
    one = make_reader([[9]], name="one", kinds=[person, place])
    two = make_reader([[9]], name="two", kinds=[drug, place], first_id=500)
    one.all_spans[0] = two.all_spans[0] = make_spans((0, 2, 0), (4, 6, 1))

    mixture = Mixture([one, two], [1.0, 1.0], 0)

    assert mixture.kinds == [person, place, drug]
    assert mixture.spans(0)["kind"].tolist() == [0, 1]
    assert mixture.spans(1)["kind"].tolist() == [2, 1]
    assert two.all_spans[0]["kind"].tolist() == [0, 1]


@pytest.mark.parametrize("at_once", [1, 100, 1 << 20])
def test_unigrams_are_counted_over_training_documents_alone(monkeypatch, at_once):
    monkeypatch.setattr(module, "_COUNTED_AT_ONCE", at_once)
    mixture = two_folders(weights=(3.0, 0.5))

    counts = mixture.unigram_counts()

    trained = np.concatenate([mixture.ids(document) for document in mixture.training_documents])
    np.testing.assert_array_equal(counts, np.bincount(trained, minlength=mixture.vocabulary.size))
    assert counts.dtype == np.int64
    assert not any(counts[mixture.ids(document)].any() for document in mixture.held_out_documents)


@pytest.mark.parametrize("number", range(20))
def test_cut_spans_keeps_what_reaches_into_the_range(number):
    draw = np.random.default_rng(number)
    starts = np.sort(draw.integers(0, 50, size=12))
    spans = np.array([(s, s + draw.integers(1, 9), 1) for s in starts], SPAN_DTYPE)
    start, end = sorted(draw.integers(0, 60, size=2).tolist())

    cut = cut_spans(spans, start, end)

    slow = []
    for span in spans:
        covered = [token - start for token in range(span["start"], span["end"]) if start <= token < end]
        if covered:
            slow.append((covered[0], covered[-1] + 1, 1))
    assert cut.tolist() == slow
