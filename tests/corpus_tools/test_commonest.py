"""The commonest words and marks of a sample, against counting one by one."""

from collections import Counter

from marked_documents import CHARACTERS, TOKENS, MarkedDocuments, document, random_documents

import corpus_tools.commonest
from corpus_tools.commonest import commonest
from corpus_tools.schema import WORD

A, B, C = CHARACTERS[:3]


def slowly(reader, most):
    """Count the words and marks that end within the first `most` tokens of each document."""
    words, marks = Counter(), [Counter() for _ in reader.kinds]
    for number in range(len(reader)):
        found = reader.document(number)
        tokens = [TOKENS[id].removeprefix("##") for id in found.ids]
        starts = [place for place, flag in enumerate(found.flags) if flag & WORD]
        pieces = [*zip(starts, [*starts[1:], len(tokens)], strict=True)]
        words.update("".join(tokens[start:end]) for start, end in pieces if end <= most)
        for start, end, kind in found.spans.tolist():
            if end <= most:
                marks[kind]["".join(tokens[start:end])] += 1
    return words, marks


def test_words_and_marks_are_counted_as_the_slow_twin_counts(monkeypatch):
    monkeypatch.setattr(corpus_tools.commonest, "N_TOKENS", 100)
    reader = random_documents(7)
    found = commonest(reader, n_words=10_000, n_of_kind=10_000)
    words, marks = slowly(reader, 100)
    assert (dict(found.words), [dict(ranked) for ranked in found.of_kinds]) == (words, marks)
    assert found.documents == 7


def test_the_commonest_stand_first_and_the_rest_is_left_out():
    reader = MarkedDocuments([document("d", [[B], [A], [A], [C, B], [C]])])
    assert commonest(reader, n_words=3).words == [(A, 2), (B, 1), (C, 1)]


def test_marks_that_no_letter_is_in_and_unknown_words_are_no_words():
    reader = MarkedDocuments([document("d", [["[UNK]"], ["[UNK]", A], [A], ["x1"], ["\u202e"]])])
    assert commonest(reader).words == [(A, 1), ("x1", 1)]


def test_documents_are_taken_from_all_over_a_large_folder(monkeypatch):
    monkeypatch.setattr(corpus_tools.commonest, "N_DOCUMENTS", 4)
    reader = MarkedDocuments([document(f"d{n}", [[CHARACTERS[n]]]) for n in range(40)])
    found = commonest(reader)
    assert found.documents == 4
    assert [text for text, _ in found.words] == [CHARACTERS[n] for n in (0, 10, 20, 30)]


def test_an_empty_folder_has_none():
    found = commonest(MarkedDocuments([]))
    assert (found.documents, found.words, found.of_kinds) == (0, [], [[], []])
