"""Encodings: their names, their line ends and blank lines, wrong bytes, and recoding on the way."""

from __future__ import annotations

import io

import numpy as np
import pytest

from corpus_tools.errors import SettingsError
from corpus_tools.text.encodings import (
    AUTO,
    BIG5,
    BLANK,
    ENCODINGS,
    GB18030,
    UTF8,
    WIDE,
    Decision,
    Decoder,
    as_utf8,
    codec_of,
    is_blank,
)


def decoder(encoding, bad_bytes="reject"):
    return Decoder(Decision(encoding, ""), bad_bytes)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("auto", AUTO),
        ("UTF-8", UTF8),
        ("gbk", GB18030),
        ("GB2312", GB18030),
        ("Big5", BIG5),
        ("utf_16_le", "utf-16-le"),
    ],
)
def test_a_name_stands_for_the_widest_codec_of_its_family(name, codec):
    assert codec_of(name) == codec
    assert codec_of(codec) == codec


def test_an_unknown_name_is_refused_with_the_near_one():
    with pytest.raises(SettingsError, match=r"'gb18031' is not known. Did you mean 'gb18030'\?"):
        codec_of("gb18031")


@pytest.mark.parametrize("codec", sorted(set(ENCODINGS.values()) - {AUTO, *WIDE}))
def test_no_byte_below_0x30_is_within_a_character_so_lines_can_be_cut_before_they_are_decoded(codec):
    beyond_ascii = "".join(chr(code) for code in range(0x80, 0x110000) if not 0xD800 <= code < 0xE000)
    assert min(beyond_ascii.encode(codec, "ignore")) >= 0x30


@pytest.mark.parametrize("codec", BLANK)
def test_a_line_of_white_space_is_blank_in_its_own_encoding(codec):
    blank = " \t\r\v\f\u3000" + ("" if codec == BIG5 else "\u00a0")
    assert is_blank(b"", codec)
    assert is_blank((blank * 2).encode(codec), codec)
    for other in ("a", "春", "。", "，"):
        assert not is_blank((blank + other).encode(codec), codec)
    # Its bytes are those of other characters elsewhere.
    assert [is_blank("\u3000".encode(codec), other) for other in BLANK if other != codec] == [False, False]


@pytest.mark.parametrize("codec", [UTF8, GB18030, BIG5])
def test_wrong_bytes_are_refused_or_replaced_and_counted_apart_from_true_replacement_characters(codec):
    raw = "春".encode(codec) + b"\xff" + "天".encode(codec) + b"\x80\n"
    with pytest.raises(UnicodeDecodeError) as error:
        decoder(codec).decode(raw)
    assert decoder(codec).fault(error.value) == f"byte 0xff on its line 1 is not {codec.upper()}"
    assert decoder(codec, "replace").decode(raw) == ("春\ufffd天\ufffd\n", 2)
    if codec != BIG5:
        true = "\ufffd".encode(codec)
        assert decoder(codec, "replace").decode(true + raw) == ("\ufffd春\ufffd天\ufffd\n", 2)
        assert decoder(codec).decode(true) == ("\ufffd", 0)


def test_halves_of_surrogate_pairs_are_refused_or_replaced():
    with pytest.raises(UnicodeEncodeError) as error:
        decoder(UTF8).whole("春\ud83d天")
    assert decoder(UTF8).fault(error.value) == "character 1 is half of a surrogate pair"
    assert decoder(UTF8, "replace").whole("\ud83d春\udc00\ufffd") == ("\ufffd春\ufffd\ufffd", 2)
    assert decoder(UTF8).whole("春😀") == ("春😀", 0)


@pytest.mark.parametrize("encoding", WIDE)
def test_a_recoded_stream_is_the_text_as_utf8_whatever_the_pieces_it_is_read_in(encoding):
    text = "".join(np.random.default_rng(2).choice(["春", "𠮷", "a", "\n", "\u2028", "\0", "😀"], size=100_000))
    raw = text.encode(encoding)
    assert as_utf8(io.BytesIO(raw), encoding).read() == text.encode()
    stream = as_utf8(io.BytesIO(raw), encoding)
    assert b"".join(iter(lambda: stream.read(7), b"")) == text.encode()


@pytest.mark.parametrize(
    ("encoding", "wrong"),
    [
        ("utf-16-le", b"\x3d\xd8"),  # half a pair
        ("utf-16-be", b"\xdc\x00"),
        ("utf-32-le", b"\x00\x00\x11\x00"),  # beyond Unicode
        ("utf-32-be", b"\x00\x00\xd8\x00"),
    ],
)
def test_what_is_no_character_in_a_wide_file_becomes_a_byte_that_is_not_utf8(encoding, wrong):
    raw = "春\n花".encode(encoding) + wrong + "开\n".encode(encoding)
    lines = as_utf8(io.BytesIO(raw), encoding).read().split(b"\n")
    assert lines == ["春".encode(), "花".encode() + b"\xff" + "开".encode(), b""]
    with pytest.raises(UnicodeDecodeError) as error:
        decoder(encoding).decode(lines[1])
    assert decoder(encoding).fault(error.value) == f"something on its line 1 is not {encoding.upper()}"
    assert decoder(encoding, "replace").decode(lines[1]) == ("花\ufffd开", 1)


@pytest.mark.parametrize("encoding", WIDE)
def test_a_cut_off_last_character_of_a_wide_file_is_wrong_and_nothing_else_is(encoding):
    raw = "春花".encode(encoding)
    assert as_utf8(io.BytesIO(raw[:-1]), encoding).read() == "春".encode() + b"\xff"
