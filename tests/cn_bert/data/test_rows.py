import numpy as np
import pytest
from small_corpus import CLS, SEP, make_mixture, make_reader, make_spans

from cn_bert.data.mixture import Mixture
from cn_bert.data.plan import make_plan
from cn_bert.data.rows import build_sequence, filler
from cn_bert.data.sequences.pairs import NspPairs
from cn_bert.data.sequences.sentences import DocSentences
from corpus_tools.schema import SPECIAL


@pytest.mark.parametrize("kind", [NspPairs(), DocSentences()])
def test_a_sequence_is_its_pieces_between_cls_and_sep(tmp_path, kind):
    mixture = make_mixture()
    plan = make_plan(mixture, kind, seed=1, epoch=4, row_tokens=64, folder=tmp_path)

    for number in range(plan.n_sequences):
        made = build_sequence(mixture, plan, number)
        ids, flags, types = [CLS], [SPECIAL], [0]
        for segment, (document, start, end) in enumerate(plan.pieces(number)):
            ids += [*mixture.ids(document)[start:end].tolist(), SEP]
            flags += [*mixture.flags(document)[start:end].tolist(), SPECIAL]
            types += [segment] * (end - start + 1)
        assert made.ids.tolist() == ids
        assert made.flags.tolist() == flags
        assert made.token_types.tolist() == types
        assert made.is_next == plan.is_next[number]
        assert made.key == (1, 4, number)
        assert made.ids.dtype == np.uint16


def test_the_first_segment_has_two_tokens_more_than_its_text(tmp_path):
    mixture = make_mixture()
    plan = make_plan(mixture, NspPairs(), seed=1, epoch=0, row_tokens=64, folder=tmp_path)

    for number in range(plan.n_sequences):
        (_, start, end), _ = plan.pieces(number)
        assert (build_sequence(mixture, plan, number).token_types == 0).sum() == end - start + 2


def test_spans_are_counted_from_cls_and_cut_with_the_text(tmp_path):
    reader = make_reader([[10, 10, 10]])
    reader.all_spans[0] = make_spans((0, 3, 0), (8, 12, 1), (15, 30, 2))
    mixture = Mixture([reader], [1.0], 0)
    plan = make_plan(mixture, DocSentences(max_tokens=12), seed=1, epoch=0, row_tokens=12, folder=tmp_path)

    spans = [build_sequence(mixture, plan, number).spans.tolist() for number in range(3)]

    assert spans == [[(1, 4, 0), (9, 11, 1)], [(1, 3, 1), (6, 11, 2)], [(1, 11, 2)]]
    assert reader.all_spans[0].tolist() == [(0, 3, 0), (8, 12, 1), (15, 30, 2)]


def test_spans_of_the_second_segment_stand_behind_the_first(tmp_path):
    reader = make_reader([[10, 10]] * 4)
    reader.all_spans = [make_spans((2, 5, number)) for number in range(4)]
    mixture = Mixture([reader], [1.0], 0)
    plan = make_plan(mixture, NspPairs(), seed=1, epoch=0, row_tokens=64, folder=tmp_path)

    for number in range(plan.n_sequences):
        made = build_sequence(mixture, plan, number)
        for start, end, document in made.spans.tolist():
            np.testing.assert_array_equal(made.ids[start:end], mixture.ids(document)[2:5])


def test_a_filler_has_nothing_to_predict():
    made = filler(make_mixture())

    assert made.ids.tolist() == [CLS, SEP]
    assert made.flags.tolist() == [SPECIAL, SPECIAL]
    assert made.is_next == -1
