"""Decide the encoding of a file by samples of it.

The ladder: a byte order mark; valid UTF-8; else the encoding in which the text reads most like Chinese, which is the
share of COMMON among its characters. Text in a wrong encoding has next to none of them: its bytes come out as rare,
private-use and unassigned characters. So one number tells Big5 from GB18030 and both from anything else. No library
guesses: the reason can be told, and the same bytes always give the same answer.

What this cannot see: text that was decoded wrongly before it was written, for UTF-8 read as Latin-1 and saved again is
valid UTF-8; and a second encoding in the same file. Where about a fifth or more of such a file is UTF-8, it counts as
UTF-8 and the rest cannot be decoded; below that, its UTF-8 lines may come out as rare characters.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from corpus_tools.double_array import code_points
from corpus_tools.errors import DataError
from corpus_tools.text.encodings import BIG5, GB18030, MARKS, UTF8, WIDE, Decision

COMMON: Final = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去"
    "法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日者意无力它与长把机十民第公此已工使情明性知全三又关点正业"
    "外将两高间由问很最重并物手应向头文体政美相见被利二等产或新己制身果加月话合回内信表化老给位次度门任常先海通教原东声立及比员解水"
    "這個們來為國說時會對於過發後裡種經麼學現當沒動還進樣開從實無與長機關點業將兩間問並應頭體見產話內給門東聲員"
    "曰矣乎哉吾汝若乃焉遂皆莫何故夫"
    "，。、；：？！“”‘’《》（）「」『』…—\u3000"
)
"""The commonest characters of Chinese, simplified, traditional and classical, and the marks between them."""

LEAST_COMMON: Final = 0.15
"""The share of COMMON among the characters beyond ASCII from which on text is taken for Chinese.

Stretches of 300 characters of law, news, novels, abstracts and poems, in either script, had 0.22 and more of them in
their own encoding and 0.11 at most in another. Longer stretches stand farther apart.
"""
LEAST_UTF8: Final = 0.05
"""The same for UTF-8 with wrong bytes in it. GB18030 and Big5 read as UTF-8 had 0.01 at most."""

HEAD_BYTES: Final = 1 << 16
"""The sample at the beginning of a file."""
PIECE_BYTES: Final = 1 << 12
N_PIECES: Final = 16
"""Further samples, evenly across a plain file. A file of no more than all of them is looked at in full."""
ASCII_BYTES: Final = 4 << 20
"""How far a stream is read in search of something beyond ASCII."""

_COMMON_CODES: Final = sorted({ord(character) for character in COMMON})
_PLAIN_CODES: Final = [*b"\t\r\n", *range(0x20, 0x7F), *_COMMON_CODES]

_BREAK: Final = re.compile(rb"[\0-\x2f]")
"""A byte that is a character of its own in every encoding but WIDE ones, so that a character begins behind it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some bytes of a file."""

    start: int
    """Where in the file they stand: a multiple of 4, so that characters of WIDE encodings are whole."""
    raw: bytes

    def from_a_character(self) -> Sample:
        """Leave out what may be the rest of a character."""
        found = _BREAK.search(self.raw) if self.start else None
        at = 0 if not self.start else found.end() if found else len(self.raw)
        return Sample(self.start + at, self.raw[at:])


def sample_file(file: BinaryIO, size: int) -> list[Sample]:
    """Read samples from the beginning of a plain file and evenly across it."""
    if size <= HEAD_BYTES + N_PIECES * PIECE_BYTES:
        return [Sample(0, file.read())]
    samples = [Sample(0, file.read(HEAD_BYTES))]
    for piece in range(1, N_PIECES + 1):
        start = (size - PIECE_BYTES) * piece // N_PIECES // 4 * 4
        file.seek(start)
        samples.append(Sample(start, file.read(PIECE_BYTES)))
    return samples


def sample_stream(stream: BinaryIO) -> list[Sample]:
    """Read a sample from the beginning of a stream, and one from where it leaves ASCII, within ASCII_BYTES."""
    samples = [Sample(0, stream.read(HEAD_BYTES))]
    start = HEAD_BYTES
    while samples[-1].raw.isascii() and start < ASCII_BYTES and (raw := stream.read(HEAD_BYTES)):
        samples = [samples[0], Sample(start, raw)]
        start += len(raw)
    return samples


def decide(place: str, samples: Sequence[Sample]) -> Decision:
    """Decide the encoding of a file. A character that the end of a sample cuts decides nothing.

    Args:
        place: the file, for the message.
        samples: the first is the file's beginning; it may be empty.

    Raises:
        DataError: it is in no known encoding, or what it is in cannot be told.
    """
    for mark, encoding in MARKS.items():
        if samples[0].raw.startswith(mark):
            return Decision(encoding, "it begins with its byte order mark")
    parts = [sample.from_a_character() for sample in samples]
    # ASCII in UTF-16 is valid UTF-8 too, with a NUL for every other byte.
    dense = 4 * sum(part.raw.count(0) for part in parts) <= _n_bytes(parts)
    found = (_utf8(parts) if dense else None) or _chinese(parts, samples) or (_nearly_ascii(parts) if dense else None)
    if found is None:
        what = f"byte {_first_wrong(parts):,} is not UTF-8" if dense else "over a quarter of it are NUL bytes"
        raise DataError(
            f"{place}: {what}, and neither as GB18030 nor as Big5 nor as UTF-16 or -32 it reads as Chinese. "
            "Name its encoding: --encoding NAME, or convert it: iconv -f NAME -t utf-8"
        )
    return found


def _utf8(parts: Sequence[Sample]) -> Decision | None:
    if _first_wrong(parts) is None:
        return Decision(UTF8, f"{_n_bytes(parts):,} bytes of it are valid")
    text = _read_as(UTF8, parts)
    n_wrong, n_beyond = text.count("\ufffd"), int(np.count_nonzero(code_points(text) > 0x7F))
    if _share_common(text) >= LEAST_UTF8 or 10 * n_wrong <= n_beyond:
        return Decision(UTF8, f"{n_wrong:,} of {n_beyond:,} characters beyond ASCII are wrong, the others are valid")
    return None


def _chinese(parts: Sequence[Sample], samples: Sequence[Sample]) -> Decision | None:
    shares = {encoding: _share_common(_read_as(encoding, parts)) for encoding in (GB18030, BIG5)}
    shares |= {encoding: _share_plain(_read_as(encoding, samples)) for encoding in WIDE}
    best = max(shares, key=lambda encoding: shares[encoding])
    if shares[best] < LEAST_COMMON:
        return None
    others = ", ".join(f"{share:.0%} as {encoding}" for encoding, share in shares.items() if encoding != best)
    return Decision(best, f"{shares[best]:.0%} of its characters are common in Chinese then, {others}")


def _nearly_ascii(parts: Sequence[Sample]) -> Decision | None:
    """Leave to single documents what is too little to tell anything by."""
    n_beyond = sum(len(part.raw) - len(part.raw.decode("ascii", "ignore")) for part in parts)
    return Decision(UTF8, "it is ASCII but for 1 byte in 1,000") if 1000 * n_beyond <= _n_bytes(parts) else None


def _n_bytes(parts: Sequence[Sample]) -> int:
    return sum(len(part.raw) for part in parts)


def _first_wrong(parts: Sequence[Sample]) -> int | None:
    """Return the number, from 1, of the first byte in the file that is not UTF-8."""
    for part in parts:
        try:
            codecs.getincrementaldecoder(UTF8)().decode(part.raw)
        except UnicodeDecodeError as error:
            return part.start + error.start + 1
    return None


def _read_as(encoding: str, parts: Sequence[Sample]) -> str:
    """Decode samples with U+FFFD for what is wrong; a character that the end of one cuts is left out."""
    return "".join(codecs.getincrementaldecoder(encoding)("replace").decode(part.raw) for part in parts)


def _share_common(text: str) -> float:
    """Return the share of COMMON among the characters beyond ASCII, 0 where there are none."""
    codes = code_points(text)
    return _n_of(codes, _COMMON_CODES) / max(1, int(np.count_nonzero(codes > 0x7F)))


def _share_plain(text: str) -> float:
    """Return the share of COMMON and of printed ASCII among all characters: in WIDE encodings ASCII is evidence too."""
    return _n_of(code_points(text), _PLAIN_CODES) / max(1, len(text))


def _n_of(codes: npt.NDArray[np.uint32], among: list[int]) -> int:
    return int(np.count_nonzero(np.isin(codes, among)))
