"""Marked text with tags in it: <ns>北京</ns>大学 is the text 北京大学 and a span.

Only the tags that were asked for are tags. Every other < is text, and so is a tag without its partner.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from corpus_tools.schema import GivenSpan
from corpus_tools.text.given import EMPTY

UNPAIRED: Final = "unpaired_tag"
"""A tag that is not opened or not closed; it stays in the text."""


class InlineTags:
    """Takes the tags of some kinds out of texts.

    Args:
        kinds: what stands between < and >, letter by letter; at least one.
    """

    def __init__(self, kinds: Sequence[str]) -> None:
        self._tag = re.compile(f"<(/?)({'|'.join(map(re.escape, kinds))})>")

    def taken_out(self, text: str) -> tuple[str, tuple[GivenSpan, ...], Counter[str]]:
        """Return the text without its tags, the spans they mark, outer ones first, and how many are faulty."""
        tags = list(self._tag.finditer(text))
        if not tags:
            return text, (), Counter()
        closed_by = _pairs(tags)
        paired = {*closed_by, *closed_by.values()}
        parts, places, at, place = [], {}, 0, 0
        for number in sorted(paired):
            parts.append(text[at : tags[number].start()])
            place += len(parts[-1])
            places[number] = place
            at = tags[number].end()
        parts.append(text[at:])
        marked = [GivenSpan(places[n], places[closed_by[n]], tags[n][2]) for n in sorted(closed_by)]
        spans = tuple(span for span in marked if span.start < span.end)
        faults = Counter({UNPAIRED: len(tags) - len(paired), EMPTY: len(marked) - len(spans)})
        return "".join(parts), spans, +faults


def _pairs(tags: Sequence[re.Match[str]]) -> dict[int, int]:
    """Say which tag closes which, by their numbers. Of tags that cross, the pair that closes first counts."""
    closed_by: dict[int, int] = {}
    opened: list[int] = []
    n_opened = Counter[str]()
    for number, tag in enumerate(tags):
        closes, kind = tag.groups()
        if not closes:
            opened.append(number)
            n_opened[kind] += 1
        elif n_opened[kind]:
            while True:
                last = opened.pop()
                n_opened[tags[last][2]] -= 1
                if tags[last][2] == kind:
                    break
            closed_by[last] = number
    return closed_by
