"""What HTML leaves in a text, taken out by regular expressions that begin anew with every character: plain and slow."""

from __future__ import annotations

import re
from html import unescape
from html.entities import html5

from corpus_tools.text.html_leftovers import BREAKING, INLINE, LONGEST_ENTITY, LONGEST_GAP

NAMES = "|".join(map(re.escape, [*BREAKING.split(), *INLINE.split()]))
REST = rf"[ \t-\r/]{{1,{LONGEST_GAP}}}+(?:[\0-;=?-\x7f][^<>]*)?"
TAG = re.compile(rf"<(/?)(?:(?:!\[|[movw]:|st1:)[^<>]*|({NAMES})(?:{REST})?)>\Z", re.IGNORECASE)
ENTITY = re.compile(r"&(?:#([0-9]+)|#[xX]([0-9a-fA-F]+)|([A-Za-z0-9]+));\Z")


def without_html(text):
    """Read character by character, and take out what each of them completes."""
    kept, body = "", None
    for character in text:
        while character:
            kept, character, body = completed(kept + character, body)
    return kept


def completed(kept, body):
    """What is kept, what is read next in place of what went, and the script or style that has begun."""
    following = ""
    if kept.endswith("-->") and "<!--" in kept:
        kept = kept[: kept.rindex("<!--")]
    elif tag := TAG.search(kept):
        ends, name, cut = tag[1], (tag[2] or "").lower(), tag.start()
        if name in ("script", "style") and not ends and body is None:
            body = (name, cut)
        elif ends and body and name == body[0]:
            cut, body = body[1], None
        kept = kept[:cut]
        following = "\n" if name in BREAKING.split() and kept and not kept.endswith("\n") else ""
    elif (entity := ENTITY.search(kept)) and len(entity[0]) <= LONGEST_ENTITY:
        value = decoded(*entity.groups())
        if value is not None:
            kept, following = kept[: entity.start()], value
    return kept, following, body if body and body[1] <= len(kept) else None


def decoded(decimal, hexadecimal, name):
    if name:
        value = html5.get(f"{name};", "")
        return value if len(value) == 1 else None
    number = int(decimal) if decimal else int(hexadecimal, 16)
    if number < 256:
        return unescape(f"&#{number};")
    return "\ufffd" if number > 0x10FFFF or 0xD800 <= number < 0xE000 else chr(number)
