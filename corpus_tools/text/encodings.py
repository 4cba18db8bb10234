"""Encodings of text by name, how lines are found in each, and what becomes of bytes that are wrong."""

from __future__ import annotations

import codecs
import io
import re
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal

from corpus_tools.errors import SettingsError, nearest

UTF8: Final = "utf-8"
GB18030: Final = "gb18030"
BIG5: Final = "big5hkscs"

WIDE: Final = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
"""Encodings in which the byte 0x0A is no line end. Such a file is read as a whole, recoded to UTF-8.

In the others it is one wherever it stands: behind the first byte of a character, GB18030 has 0x30 to 0x39 or 0x40 and
up, Big5 0x40 and up, UTF-8 0x80 and up. So lines are cut out before they are decoded.
"""

AUTO: Final = "auto"
"""Decide for each file."""

ENCODINGS: Final = {
    **{name: name for name in (AUTO, UTF8, GB18030, *WIDE)},
    **dict.fromkeys(("gbk", "gb2312"), GB18030),
    **dict.fromkeys(("big5", BIG5), BIG5),
}
"""Python's codec behind each name that a user may give: the widest of its family."""

MARKS: Final = {
    b"\xef\xbb\xbf": UTF8,
    b"\xff\xfe\0\0": "utf-32-le",  # before UTF-16, whose mark it begins with
    b"\0\0\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
    b"\x84\x31\x95\x33": GB18030,
}
"""Byte order marks."""

BadBytes = Literal["reject", "replace", "fail"]
"""A document that cannot be decoded is left out with the reason, is patched with U+FFFD, or ends the work."""

BLANK: Final = {
    UTF8: re.compile(rb"(?:\s|\xc2\xa0|\xe3\x80\x80)*"),
    GB18030: re.compile(rb"(?:\s|\x81\x30\x84\x32|\xa1\xa1)*"),
    BIG5: re.compile(rb"(?:\s|\xa1\x40)*"),
}
"""A line that ends a document of a .txt file, by the codec: white space of ASCII, and the no-break and the full-width
space, which Chinese pages indent empty lines with."""

_CHUNK: Final = 1 << 16
_HALF: Final = re.compile("[\ud800-\udfff]")
_MARK_OF: Final = {encoding: mark for mark, encoding in MARKS.items()}

_MARKING: Final = "corpus_tools.wrong_unit"
_WRONG: Final = "\udcff"
"""Stands for what is no character in a WIDE file: recoded, it is the byte 0xff, which UTF-8 does not have."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The encoding of a file, and what it was decided on."""

    encoding: str
    """A name of Python's codecs."""
    why: str

    @property
    def wide(self) -> bool:
        """Whether the file is read through `as_utf8`."""
        return self.encoding in WIDE

    @property
    def of_lines(self) -> str:
        """The codec of the file's lines as they are read."""
        return UTF8 if self.wide else self.encoding

    @property
    def mark(self) -> bytes:
        """The byte order mark that the first line as it is read may begin with; nothing where there is none."""
        return _MARK_OF.get(self.of_lines, b"")


BY_FORMAT: Final = Decision(UTF8, "its format has no other")


def codec_of(name: str) -> str:
    """Return the codec that a user's name of an encoding stands for; AUTO for itself.

    Raises:
        SettingsError: the name is unknown.
    """
    known = name.lower().replace("_", "-")
    if known not in ENCODINGS:
        raise SettingsError(f"encoding: {name!r} is not known.{nearest(known, ENCODINGS)}")
    return ENCODINGS[known]


def is_blank(line: bytes, codec: str = UTF8) -> bool:
    """Tell whether a line holds nothing but white space."""
    return BLANK[codec].fullmatch(line) is not None


@dataclass(frozen=True, slots=True)
class Decoder:
    """Bytes to characters, by one file's encoding."""

    decided: Decision
    bad_bytes: BadBytes

    def decode(self, raw: bytes) -> tuple[str, int]:
        """Return the text, and how many U+FFFD in it stand for wrong bytes.

        Raises:
            UnicodeDecodeError: a byte is wrong and may not be replaced.
        """
        codec = self.decided.of_lines
        try:
            return raw.decode(codec), 0
        except UnicodeDecodeError:
            if self.bad_bytes != "replace":
                raise
        text = raw.decode(codec, "replace")
        return text, text.count("\ufffd") - raw.decode(codec, "ignore").count("\ufffd")

    def whole(self, text: str) -> tuple[str, int]:
        """Do the same for text that JSON may have written half a surrogate pair into, which is no character.

        Raises:
            UnicodeEncodeError: there is one and it may not be replaced.
        """
        try:
            text.encode(UTF8)
        except UnicodeEncodeError:
            if self.bad_bytes != "replace":
                raise
            return _HALF.subn("\ufffd", text)
        return text, 0

    def fault(self, error: UnicodeError) -> str:
        """Say what was wrong."""
        if isinstance(error, UnicodeEncodeError):
            return f"character {error.start} is half of a surrogate pair"
        assert isinstance(error, UnicodeDecodeError)
        line = error.object.count(b"\n", 0, error.start) + 1
        found = "something" if self.decided.wide else f"byte 0x{error.object[error.start]:02x}"
        return f"{found} on its line {line} is not {self.decided.encoding.upper()}"


def as_utf8(stream: BinaryIO, encoding: str) -> BinaryIO:
    """Recode a stream from a WIDE encoding as it is read, in bounded memory.

    What is no character in it becomes a byte that UTF-8 does not have. To close the result closes the stream.
    """
    return io.BufferedReader(_Recoding(stream, encoding))


class _Recoding(io.RawIOBase):
    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(_MARKING)
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._ready and not self._ended:
            raw = self._stream.read(_CHUNK)
            self._ended = not raw
            self._ready = self._decoder.decode(raw, final=self._ended).encode(UTF8, "surrogateescape")
        n = min(len(buffer), len(self._ready))
        buffer[:n], self._ready = self._ready[:n], self._ready[n:]
        return n

    def close(self) -> None:
        self._stream.close()
        super().close()


def _mark_wrong(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return _WRONG, error.end


codecs.register_error(_MARKING, _mark_wrong)
