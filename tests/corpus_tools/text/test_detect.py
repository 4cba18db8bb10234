"""Which encoding a file is in: text in every encoding we know, and bytes that are made to mislead."""

from __future__ import annotations

import io

import numpy as np
import pytest
from chinese_texts import CLASSICAL, EVERY, SIMPLIFIED, TRADITIONAL

from corpus_tools.errors import DataError
from corpus_tools.text import detect
from corpus_tools.text.detect import Sample, decide, sample_file, sample_stream
from corpus_tools.text.encodings import MARKS


def encoding_of(raw):
    return decide("a.txt", [Sample(0, raw)]).encoding


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", EVERY)
@pytest.mark.parametrize("length", [40, 100, 1000])
def test_text_is_read_in_the_encoding_it_was_written_in(text, encoding, length):
    assert encoding_of(text[:length].encode(encoding)) == encoding


@pytest.mark.parametrize(
    ("text", "written_as", "read_as"),
    [
        (SIMPLIFIED, "gb2312", "gb18030"),
        (SIMPLIFIED, "gbk", "gb18030"),
        (TRADITIONAL, "gbk", "gb18030"),
        (SIMPLIFIED + "𠮷野家在街角。", "gb18030", "gb18030"),
        (TRADITIONAL, "big5", "big5hkscs"),
        (CLASSICAL, "big5", "big5hkscs"),
        (TRADITIONAL + "佢哋喺度食嘢，冇人唔知。", "big5hkscs", "big5hkscs"),
    ],
)
@pytest.mark.parametrize("repeat", [1, 20])
def test_an_encoding_is_read_as_the_widest_of_its_family(text, written_as, read_as, repeat):
    raw = (text * repeat).encode(written_as)
    assert encoding_of(raw) == read_as
    assert raw.decode(read_as) == text * repeat


@pytest.mark.parametrize("first", range(0, 200, 5))
def test_big5_and_gb18030_are_told_apart_by_sixty_characters(first):
    assert encoding_of(TRADITIONAL[first : first + 60].encode("big5")) == "big5hkscs"
    assert encoding_of(TRADITIONAL[first : first + 60].encode("gb18030")) == "gb18030"
    assert encoding_of(SIMPLIFIED[first : first + 60].encode("gb18030")) == "gb18030"


@pytest.mark.parametrize("mark", MARKS)
def test_a_byte_order_mark_decides(mark):
    found = decide("a.txt", [Sample(0, mark + SIMPLIFIED.encode(MARKS[mark]))])
    assert (found.encoding, found.why) == (MARKS[mark], "it begins with its byte order mark")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_ascii_in_a_wide_encoding_is_not_taken_for_ascii(encoding):
    assert encoding_of('{"text": "\\u6625\\u5929"}\n'.encode(encoding)) == encoding


@pytest.mark.parametrize(
    "raw", [b"", b"\n\n\n", b"a", "春".encode(), "a\0b\0\0春天来了，花都开了。".encode(), "é".encode()]
)
def test_valid_utf8_is_utf8_however_little_there_is_and_nuls_are_characters(raw):
    assert encoding_of(raw) == "utf-8"


def test_utf8_read_as_latin1_and_saved_again_is_valid_and_cannot_be_seen():
    assert encoding_of(SIMPLIFIED.encode().decode("latin-1").encode()) == "utf-8"


@pytest.mark.parametrize("other", ["gb18030", "big5hkscs"])
@pytest.mark.parametrize("n_utf8", [1, 2, 3])
def test_a_file_of_lines_in_two_encodings_is_utf8_where_a_good_part_of_it_is(other, n_utf8):
    lines = [(TRADITIONAL * 2).encode("utf-8" if number < n_utf8 else other) for number in range(4)]
    assert encoding_of(b"".join(lines)) == "utf-8"


@pytest.mark.parametrize("wrong", [b"\xc0\x80", b"\xed\xa0\x80", b"\xff", "花".encode()[:2], "花".encode("gb18030")])
def test_a_wrong_byte_in_utf8_is_its_documents_own_affair(wrong):
    assert encoding_of(SIMPLIFIED.encode() + wrong + b"\n") == "utf-8"
    assert encoding_of("Война и мир. ".encode() * 9 + wrong + b"\n") == "utf-8"


def test_ascii_with_hardly_anything_else_is_left_to_its_documents():
    assert encoding_of(b"plain old text\n" * 200 + b"caf\xe9\n") == "utf-8"


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ("Où était l'élève à Noël ? Près de la fenêtre.\n".encode("latin-1"), "byte 2 is not UTF-8"),
        ("한국어 문서입니다. 사람들은 아침에 일을 하러 간다.\n".encode("euc-kr"), "byte 1 is not UTF-8"),
        ("これは日本語の文章です。東京は日本の首都です。\n".encode("shift_jis"), "byte 1 is not UTF-8"),
        (np.random.default_rng(0).bytes(100_000), "is not UTF-8"),
        (b"abc\xc0\x80\n", "byte 4 is not UTF-8"),
        (bytes(100_000), "over a quarter of it are NUL bytes"),
    ],
)
def test_what_is_neither_utf8_nor_chinese_is_refused_with_the_place_and_the_way_out(raw, place):
    with pytest.raises(DataError, match=f"a.txt: .*{place}.*--encoding NAME, or convert it: iconv"):
        encoding_of(raw)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5", "utf-16-le", "utf-32-be"])
@pytest.mark.parametrize("text", [TRADITIONAL, TRADITIONAL.replace("\n", "")])
@pytest.mark.parametrize("cut", range(4))
def test_where_samples_begin_and_end_decides_nothing(encoding, text, cut):
    raw = (text * 30).encode(encoding)
    samples = [Sample(0, raw[: 1000 + cut])] + [
        Sample(at, raw[at : at + 300 + cut]) for at in range(2000, 20_000, 1000)
    ]
    assert decide("a.txt", samples).encoding == {"big5": "big5hkscs"}.get(encoding, encoding)


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "utf-8"])
def test_a_plain_file_with_an_ascii_head_is_decided_by_the_samples_behind_it(encoding):
    raw = b'{"id": 1}\n' * 20_000 + (TRADITIONAL * 100).encode(encoding)
    file = io.BytesIO(raw)
    samples = sample_file(file, len(raw))
    assert sum(len(sample.raw) for sample in samples) == detect.HEAD_BYTES + detect.N_PIECES * detect.PIECE_BYTES
    assert decide("a.txt", samples).encoding == {"big5": "big5hkscs"}.get(encoding, encoding)


def test_samples_are_what_stands_at_their_places_and_a_small_file_is_one():
    raw = np.random.default_rng(1).bytes(500_001)
    samples = sample_file(io.BytesIO(raw), len(raw))
    assert all(raw[sample.start :].startswith(sample.raw) and sample.start % 4 == 0 for sample in samples)
    assert samples[-1].start + len(samples[-1].raw) > len(raw) - 4
    assert sample_file(io.BytesIO(raw[:1000]), 1000) == [Sample(0, raw[:1000])]


def test_a_stream_is_read_on_until_it_leaves_ascii_but_not_for_ever(monkeypatch):
    raw = b"a\n" * detect.HEAD_BYTES + TRADITIONAL.encode("big5")
    first, second = sample_stream(io.BytesIO(raw))
    assert (first.start, second.start) == (0, 2 * detect.HEAD_BYTES)
    assert decide("a.txt", [first, second]).encoding == "big5hkscs"

    monkeypatch.setattr(detect, "ASCII_BYTES", detect.HEAD_BYTES)
    stream = io.BytesIO(raw)
    sample_stream(stream)
    assert stream.tell() == detect.HEAD_BYTES


def test_the_reason_names_the_shares_it_was_decided_by():
    why = decide("a.txt", [Sample(0, TRADITIONAL.encode("big5"))]).why
    assert "of its characters are common in Chinese then" in why
    assert "as gb18030" in why
