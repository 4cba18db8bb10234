"""HTML that a stranger's text cannot break: every string is escaped unless it was made here.

Corpus text goes into pages and onto terminals. Markup is escaped, and characters that are not seen but act, such as
the controls that turn the reading direction or an escape sequence's first byte, are written as their code points.
"""

from __future__ import annotations

import html
import unicodedata
from typing import Final

_EMPTY_ELEMENTS: Final = frozenset({"meta", "br", "hr", "rect", "line", "path", "polyline", "circle"})


class Html(str):
    """Markup that is safe as it stands."""

    __slots__ = ()


def visible(text: str, keep: str = "") -> str:
    r"""Write control, direction and other unseen characters as `[U+202E]`; spaces and what is in `keep` stay.

    A terminal or a browser then shows every character of untrusted text and obeys none of it.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in keep or unicodedata.category(character) == "Zs"
        else f"[U+{ord(character):04X}]"
        for character in text
    )


def clip(text: str, most: int) -> str:
    """Cut a text of more than `most` characters, and say so by its last one."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def escape(value: object) -> Html:
    """Turn a value into markup that shows it; what is Html already stays as it is."""
    if isinstance(value, Html):
        return value
    return Html(html.escape(visible(str(value), keep="\n\t")))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """Make an element. Children and attribute values are escaped, `None` and `False` leave an attribute out.

    Attribute names: a trailing underscore is dropped (`class_`), others become hyphens (`stroke_width`).
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _EMPTY_ELEMENTS and not children:
        return Html(f"<{name}{written}/>")
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def join(*parts: object, by: str = "") -> Html:
    """Put parts behind each other, each escaped."""
    return Html(escape(by).join(escape(part) for part in parts))
