from itertools import pairwise

import pytest
from small_corpus import draw_documents, make_reader

from cn_bert.data.mixture import Mixture
from cn_bert.data.sequences import SEQUENCES, build_sequences
from cn_bert.data.sequences.kind import NO_LABEL, EpochText, Stream
from cn_bert.data.sequences.sentences import DocSentences
from corpus_tools import configs
from corpus_tools.errors import SettingsError


def fill_one_by_one(sentences, room):
    """Take sentences while they fit; where not one fits into an empty sequence, take what fits of it."""
    sequences, waiting = [], list(sentences)
    while waiting:
        taken = 0
        if waiting[0] > room:
            taken = room
            waiting[0] -= room
        else:
            while waiting and taken + waiting[0] <= room:
                taken += waiting.pop(0)
        sequences.append(taken)
    return sequences


@pytest.mark.parametrize("max_tokens", [3, 16, 64, 10_000])
def test_sequences_hold_as_many_whole_sentences_as_fit(max_tokens):
    documents = draw_documents(max_tokens, 40)
    mixture = Mixture([make_reader(documents)], [1.0], 0)
    text = EpochText(mixture.sentences, mixture.training_documents)

    for document, sentences in enumerate(documents):
        made = list(DocSentences().walk(text, document, max_tokens, Stream((0,))))
        bounds = [0]
        for label, ((where, start, end),) in made:
            assert (label, where, start) == (NO_LABEL, document, bounds[-1])
            bounds.append(end)
        assert [b - a for a, b in pairwise(bounds)] == fill_one_by_one(sentences, max_tokens - 2)
        assert bounds[-1] == sum(sentences)


def test_too_few_tokens_are_refused():
    with pytest.raises(SettingsError, match=r"sequences\.max_tokens"):
        build_sequences({"name": "doc_sentences", "max_tokens": 2})


def test_every_kind_has_its_file_and_every_file_its_kind():
    assert configs.names("sequences") == sorted(SEQUENCES)
    for name in configs.names("sequences"):
        assert type(build_sequences(configs.load("sequences", name)["sequences"])) is SEQUENCES[name]
