"""Packed streams: what they hold comes out, damage is seen, and a bomb ends soon."""

from __future__ import annotations

import gzip
import io
import lzma

import pyarrow as pa
import pytest

from corpus_tools import unpack
from corpus_tools.errors import RefusedError
from corpus_tools.unpack import Allowance, packed_suffix, unpacked


def zstd(raw):
    return pa.compress(raw, codec="zstd", asbytes=True)


PACK = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstd}
LINES = "".join(f"第{number}行，春天来了。\n" for number in range(4_000)).encode()


def opened(suffix, raw, n_bytes=unpack.MAX_UNPACKED):
    return unpacked(io.BytesIO(raw), suffix, Allowance("a.txt", n_bytes))


@pytest.mark.parametrize("suffix", PACK)
def test_what_was_packed_comes_out_and_parts_are_joined(suffix):
    packed = PACK[suffix](LINES[:1000]) + PACK[suffix](b"") + PACK[suffix](LINES[1000:])
    assert opened(suffix, packed).read() == LINES
    assert list(opened(suffix, packed)) == LINES.splitlines(keepends=True)


def test_frames_to_skip_are_skipped():
    assert opened(".zst", b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstd(LINES)).read() == LINES


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("cut", [1, 5, 9, 1000])
def test_a_cut_off_stream_is_never_taken_for_a_whole_one(suffix, cut):
    with pytest.raises((EOFError, OSError, lzma.LZMAError)):
        opened(suffix, PACK[suffix](LINES)[:-cut]).read()


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_what_follows_and_is_not_packed_is_damage(suffix):
    with pytest.raises(OSError, match=r"gzipped|ZSTD"):
        opened(suffix, PACK[suffix](LINES) + b"something else").read()


@pytest.mark.parametrize("suffix", PACK)
def test_closing_closes_what_it_was_read_from(suffix):
    packed = io.BytesIO(PACK[suffix](LINES))
    with unpacked(packed, suffix, Allowance("a.txt")) as stream:
        stream.read(10)
    assert packed.closed


@pytest.mark.parametrize("suffix", PACK)
def test_a_bomb_is_refused_while_little_of_it_has_come_out(suffix, monkeypatch):
    monkeypatch.setattr(unpack, "SMALL", 1 << 20)
    stream = opened(suffix, PACK[suffix](bytes(24 << 20)))
    lengths = []
    with pytest.raises(RefusedError, match=r"a\.txt: .* more than 200 times as much"):
        lengths.extend(map(len, iter(lambda: stream.read(1 << 16), b"")))
    assert sum(lengths) < 8 << 20


@pytest.mark.parametrize("suffix", PACK)
def test_little_may_unpack_to_any_multiple_of_itself(suffix):
    assert len(opened(suffix, PACK[suffix](bytes(4 << 20))).read()) == 4 << 20


@pytest.mark.parametrize("suffix", PACK)
def test_more_than_is_allowed_in_all_is_refused(suffix):
    assert opened(suffix, PACK[suffix](LINES), len(LINES)).read() == LINES
    with pytest.raises(RefusedError, match=r"a\.txt: unpacks to more than .* bytes.*--max-unpacked"):
        opened(suffix, PACK[suffix](LINES), len(LINES) - 1).read()


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.txt.GZ", ".gz"), ("a.tgz", ".gz"), ("a.tar.zst", ".zst"), ("a.txt", ""), ("gz", ""), (".gz", "")],
)
def test_a_name_says_how_a_file_is_packed(name, suffix):
    assert packed_suffix(name) == suffix
