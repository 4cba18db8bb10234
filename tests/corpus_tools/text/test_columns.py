"""A token a line: what becomes of tags of every scheme, of broken ones, and of what stands between tokens."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_tools.errors import SettingsError
from corpus_tools.schema import GivenSpan
from corpus_tools.text import ReadSettings, Reject, find_inputs, plan_splits, read_split
from corpus_tools.text.columns import marked_columns

KINDS = st.sampled_from(["ns", "nr", "B-x", "机构"])


def read(path, **given_settings):
    made = ReadSettings(**given_settings)
    return [found for split in plan_splits(find_inputs([str(path)])) for found in read_split(split, made)]


def block(tags, tokens="甲乙丙丁戊己庚辛壬癸"):
    return "\n".join(f"{token}\t{tag}" for token, tag in zip(tokens, tags, strict=False))


def spans_of(*tags):
    _, spans, faults = marked_columns(block(tags))
    return [tuple(span[:3]) for span in spans], dict(faults)


def spans_token_by_token(tags):
    """What conlleval says: a span begins where its tag may not go on with the one before, and ends likewise."""
    found, repaired = [], 0
    for at, tag in enumerate(tags):
        if tag == "O":
            continue
        before = tags[at - 1] if at else "O"
        open_before = before != "O" and before[0] not in "SUEL" and before[2:] == tag[2:]
        if tag[0] in "BSU" or not open_before:
            repaired += tag[0] not in "BSU"
            found.append([at, at + 1, tag[2:]])
        else:
            found[-1][1] = at + 1
    return [tuple(span) for span in found], repaired


def tagged(scheme, sizes):
    """The tags of spans; sizes are (tokens, kind), of the kind None for tokens outside."""
    begin, inside, end, single = scheme
    tags = []
    for size, kind in sizes:
        if kind is None:
            tags += ["O"] * size
        elif size == 1:
            tags.append(f"{single}-{kind}")
        else:
            tags += [f"{begin}-{kind}", *[f"{inside}-{kind}"] * (size - 2), f"{end}-{kind}"]
    return tags


@given(
    sizes=st.lists(st.tuples(st.integers(1, 4), st.none() | KINDS), max_size=8),
    scheme=st.sampled_from(["BIIB", "BIES", "BMES", "BILU"]),
)
def test_spans_come_back_from_the_tags_of_every_scheme(sizes, scheme):
    expected, at = [], 0
    for size, kind in sizes:
        expected += [(at, at + size, kind)] if kind else []
        at += size
    text, spans, faults = marked_columns(block(tagged(scheme, sizes), "字" * at))
    assert text == "字" * at
    assert [tuple(span[:3]) for span in spans] == expected
    assert not faults


@given(tags=st.lists(st.just("O") | st.tuples(st.sampled_from("BIESMLU"), KINDS).map("-".join), max_size=10))
def test_any_sequence_of_tags_is_read_as_conlleval_reads_it(tags):
    spans, repaired = spans_token_by_token(tags)
    assert spans_of(*tags) == (spans, {"repaired_tag": repaired} if repaired else {})


def test_a_tag_that_no_scheme_has_is_outside_and_counted():
    assert spans_of("B-ns", "X-ns", "I-ns", "B", "ns", "o") == ([(0, 1, "ns"), (2, 3, "ns")], {
        "bad_tag": 4,
        "repaired_tag": 1,
    })  # fmt: skip
    assert marked_columns("北\n京")[0::2] == ("北京", {"bad_tag": 2})


def test_kinds_may_hold_dashes_and_underscores_may_stand_for_the_dash():
    assert spans_of("B_nt", "I_nt", "S-A-B") == ([(0, 2, "nt"), (2, 3, "A-B")], {})


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["北京", "大学"], "北京大学"),
        (["我", "用", "deep", "learning", "做", "NLP"], "我用deep learning做NLP"),
        (["2", "0", "2", "4", "年", "A", "I"], "2024年AI"),
        (["I", "am", "X"], "I am X"),
        (["GPT", "-", "4", "turbo", "，", "é", "ab"], "GPT-4 turbo，éab"),
        (["北", "", "京"], "北 京"),
        (["北", "　", "京"], "北　京"),
    ],
)
def test_chinese_is_joined_and_latin_words_are_set_apart(tokens, text):
    lines = "\n".join(f"{token}\tO" for token in tokens)
    assert marked_columns(lines)[0] == text


def test_spans_are_counted_in_the_joined_text():
    text, spans, _ = marked_columns("去 O\nNew B-ns\nYork I-ns\n\n北 x x B-ns\n京 x x I-ns\n O\n")
    assert text == "去New York\n北京 "
    assert [(text[span.start : span.end], span.kind) for span in spans] == [("New York", "ns"), ("北京", "ns")]


def test_a_span_ends_with_its_sentence():
    _, spans, faults = marked_columns("北 B-ns\n\n京 I-ns")
    assert spans == (GivenSpan(0, 1, "ns"), GivenSpan(2, 3, "ns"))
    assert faults == {"repaired_tag": 1}


FILE = "-DOCSTART- -X- O\n\n春 O\n\n\n夏 B-x\n\n秋 O\n\n-DOCSTART- O\n冬 O\n天 O\n"


@pytest.mark.parametrize(
    ("n_sentences", "documents"),
    [
        (0, [("a.conll:3", "春\n夏\n秋"), ("a.conll:11", "冬天")]),
        (1, [("a.conll:3", "春"), ("a.conll:6", "夏"), ("a.conll:8", "秋"), ("a.conll:11", "冬天")]),
        (2, [("a.conll:3", "春\n夏"), ("a.conll:8", "秋"), ("a.conll:11", "冬天")]),
        (9, [("a.conll:3", "春\n夏\n秋"), ("a.conll:11", "冬天")]),
    ],
)
def test_documents_end_after_so_many_sentences_and_before_the_line_of_the_next(tmp_path, n_sentences, documents):
    (tmp_path / "a.conll").write_text(FILE, "utf-8")
    found = read(tmp_path / "a.conll", document_sentences=n_sentences)
    assert [(document.id, document.text) for document in found] == documents


def test_line_ends_of_windows_packed_files_and_the_other_suffix_are_read(tmp_path):
    (tmp_path / "a.bio.gz").write_bytes(gzip.compress("\ufeff北\tB-ns\r\n京\tI-ns\r\n\r\n".encode()))
    [document] = read(tmp_path / "a.bio.gz")
    assert (document.text, document.spans) == ("北京", (GivenSpan(0, 2, "ns"),))


def test_a_document_of_too_many_characters_is_rejected_and_the_next_is_read(tmp_path):
    (tmp_path / "a.conll").write_text("字 O\n" * 100 + "\n北 O\n", "utf-8")
    long, short = read(tmp_path / "a.conll", max_document_chars=10)
    assert isinstance(long, Reject)
    assert (long.reason, short.text) == ("too_long", "北")


def test_fewer_than_no_sentences_are_refused():
    with pytest.raises(SettingsError, match="document_sentences: -1"):
        ReadSettings(document_sentences=-1)
