"""A document is cut into sequences that hold each of its tokens once, with spans that stay in place."""

import numpy as np
import pytest

from corpus_tools.errors import SettingsError
from corpus_tools.masking.cut import cut, end_to_end, stretch_of, stretches
from corpus_tools.schema import SPAN_DTYPE, SPECIAL, EncodedDocument

CLS, SEP = 2, 3


def made(length, spans=()):
    ids, flags = np.arange(100, 100 + length, dtype=np.uint16), np.full(length, 1, np.uint8)
    return EncodedDocument("d", "s", ids, flags, np.array(list(spans), SPAN_DTYPE))


@pytest.mark.parametrize("length", [1, 7, 8, 9, 23])
def test_every_token_is_in_one_sequence(length):
    sequences = list(cut(made(length), 10, CLS, SEP))
    assert [token for s in sequences for token in s.ids[1:-1].tolist()] == list(range(100, 100 + length))
    for sequence in sequences:
        assert len(sequence.ids) == len(sequence.flags) <= 10
        assert (sequence.ids[0], sequence.ids[-1]) == (CLS, SEP)
        assert np.flatnonzero(sequence.flags & SPECIAL).tolist() == [0, len(sequence.ids) - 1]


def test_spans_are_moved_and_cut_at_the_ends():
    first, second = cut(made(16, [(0, 2, 5), (6, 11, 6), (8, 9, 7), (14, 16, 8)]), 10, CLS, SEP)
    assert first.spans.tolist() == [(1, 3, 5), (7, 9, 6)]
    assert second.spans.tolist() == [(1, 4, 6), (1, 2, 7), (7, 9, 8)]


def test_a_stretch_is_a_sequence_without_its_ends():
    whole = made(16, [(0, 2, 5), (6, 11, 6), (8, 9, 7), (14, 16, 8)])
    for (start, end), sequence in zip(stretches(16, 10), cut(whole, 10, CLS, SEP), strict=True):
        stretch = stretch_of(whole, start, end)
        assert (stretch.id, stretch.source) == ("d", "s")
        assert stretch.ids.tolist() == sequence.ids[1:-1].tolist()
        assert stretch.flags.tolist() == sequence.flags[1:-1].tolist()
        assert [(a + 1, b + 1, kind) for a, b, kind in stretch.spans.tolist()] == sequence.spans.tolist()
    assert whole.spans.tolist() == [(0, 2, 5), (6, 11, 6), (8, 9, 7), (14, 16, 8)]


def test_sequences_end_to_end_keep_their_tokens_and_their_spans():
    sequences = [
        sequence
        for length, spans in ((16, [(0, 2, 5), (6, 11, 6)]), (3, []), (9, [(7, 9, 1)]))
        for sequence in cut(made(length, spans), 10, CLS, SEP)
    ]
    whole, bounds = end_to_end(sequences)
    assert bounds.tolist() == np.cumsum([0, *(len(sequence.ids) for sequence in sequences)]).tolist()
    spans = []
    for sequence, start, end in zip(sequences, bounds, bounds[1:], strict=False):
        assert whole.ids[start:end].tolist() == sequence.ids.tolist()
        assert whole.flags[start:end].tolist() == sequence.flags.tolist()
        spans += [(a + start, b + start, kind) for a, b, kind in sequence.spans.tolist()]
    assert whole.spans.tolist() == spans


def test_a_row_without_room_is_refused():
    with pytest.raises(SettingsError, match="row_tokens: 2 leaves no room"):
        stretches(5, 2)
