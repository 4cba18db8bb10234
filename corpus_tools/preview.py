"""Show sequences as a person reads them: words apart, entities and phrases marked, and a mask drawn over them.

On a terminal in colour, without colour in brackets, and as one HTML page. The text is a stranger's: what acts on a
terminal or a browser is written as its code point.
"""

from __future__ import annotations

from collections.abc import Iterator
from colorsys import hls_to_rgb
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from rich.console import Console
from rich.text import Text

from corpus_tools.draw import integers, uniforms
from corpus_tools.encode.vocabulary import Vocabulary
from corpus_tools.errors import SettingsError
from corpus_tools.markup import Html, join, tag, visible
from corpus_tools.masking import Drawn, Masker
from corpus_tools.masking.cut import Sequence, sequence_of, stretches
from corpus_tools.report import Section, page
from corpus_tools.schema import SPECIAL, WORD
from corpus_tools.shards.read import ShardReader

Outcome = Literal["plain", "special", "mask", "random", "keep"]

EPOCH: Final = 0
_WHICH_DOCUMENTS, _WHICH_STRETCH = 1, 2
"""The purposes of the draws that choose what is shown."""

_TERMINAL_STYLES: Final[dict[Outcome, str]] = {
    "plain": "",
    "special": "dim",
    "mask": "bold #ffffff on #c62828",
    "random": "bold #1d1d1d on #ff9f1c",
    "keep": "bold underline",
}
_SAID: Final[dict[Outcome, str]] = {
    "mask": "becomes [MASK]",
    "random": "was→becomes",
    "keep": "stays, to be predicted",
}
STYLE: Final = """
.tokens { max-width: none; line-height: 2.15; font-size: 1.06rem; overflow-wrap: anywhere; }
.tokens .entity { padding: .18em 0; background: hsl(var(--hue) 75% 55% / .3); }
.tokens .phrase { border-bottom: 2px solid hsl(var(--line) 65% 50%); }
.tokens .special, .swatch.special { color: var(--soft); font-size: .78em; }
.tokens .mask, .swatch.mask { background: #c62828; color: #fff; border-radius: 3px; padding: 0 .12em; }
.tokens .random, .swatch.random { background: #ff9f1c; color: #1d1d1d; border-radius: 3px; padding: 0 .12em; }
.tokens .keep, .swatch.keep { text-decoration: underline 2px; text-underline-offset: .28em; font-weight: 700; }
.swatch { margin-right: 1.1em; white-space: nowrap; }
"""


@dataclass(frozen=True, slots=True)
class Glyph:
    """A token as it is shown."""

    text: str
    """Its characters, without `##`; the original where it was replaced."""
    outcome: Outcome
    drawn: str
    """The random token that stands in its place, else empty."""
    spaced: bool
    """A word begins here, so a space is shown before it."""
    entity: int | None
    """Kind number of the entity it is in."""
    phrase: int | None
    opens: frozenset[str]
    """The marks, "entity" or "phrase", that begin at it."""
    closes: frozenset[str]
    """The marks that end with it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A sequence as it is shown."""

    title: str
    source: str
    glyphs: list[Glyph]

    def count(self, outcome: Outcome) -> int:
        """Count the tokens of an outcome."""
        return sum(glyph.outcome == outcome for glyph in self.glyphs)

    @property
    def summary(self) -> str:
        """Say where it is from and what became of its tokens."""
        n_masked = sum(self.count(outcome) for outcome in ("mask", "random", "keep"))
        counts = ", ".join(f"{self.count(outcome)} {outcome}" for outcome in ("mask", "random", "keep"))
        return f"{self.source} · {len(self.glyphs)} tokens · {n_masked} to predict: {counts}"


def sample(reader: ShardReader, masker: Masker, n: int, seed: int, row_tokens: int = 512) -> Iterator[Shown]:
    """Yield up to `n` masked sequences, each of another document, spread evenly over the folder.

    Raises:
        SettingsError: `n` is below 1, or `row_tokens` leaves no room beside [CLS] and [SEP].
    """
    if n < 1:
        raise SettingsError(f"n: {n} sequences to show; 1 is the least")
    n = min(n, len(reader))
    # One document out of each of n equal parts of the folder.
    places = (np.arange(n) + uniforms((seed, _WHICH_DOCUMENTS), n)) * len(reader) / max(n, 1)
    for number, place in enumerate(places.astype(np.int64).tolist()):
        document = reader.document(place)
        parts = stretches(len(document.ids), row_tokens)
        start, end = parts[int(integers((seed, _WHICH_STRETCH, number), 1, len(parts))[0])]
        sequence = sequence_of(document, start, end, reader.vocabulary.cls_id, reader.vocabulary.sep_id)
        drawn = masker.draw(sequence.ids, sequence.flags, sequence.spans, (seed, EPOCH, number))
        title = document.id if len(parts) == 1 else f"{document.id}, tokens {start:,} to {end:,}"
        yield Shown(title, document.source, _glyphs(sequence, drawn, reader.vocabulary, reader.kinds))


def preview(
    reader: ShardReader,
    masker: Masker,
    n: int = 20,
    seed: int = 0,
    row_tokens: int = 512,
    console: Console | None = None,
) -> None:
    """Print masked sequences; without colour, brackets tell what colour would.

    Raises:
        SettingsError: as `sample`.
    """
    console = console or Console(highlight=False)
    names = [visible(kind["name"]) for kind in reader.kinds]
    paint = _in_brackets if console.color_system is None else _in_colour
    console.print(_terminal_legend(reader, console.color_system is not None), highlight=False)
    for number, shown in enumerate(sample(reader, masker, n, seed, row_tokens), start=1):
        console.print(Text(f"\n{number}. {visible(shown.title)}", style="bold"), highlight=False)
        console.print(Text(visible(shown.summary), style="dim"), highlight=False)
        console.print(paint(shown, names), highlight=False)


def preview_html(
    reader: ShardReader,
    masker: Masker,
    n: int = 20,
    seed: int = 0,
    row_tokens: int = 512,
    title: str = "Masked sequences",
) -> str:
    """Write the same as one self-contained page.

    Raises:
        SettingsError: as `sample`.
    """
    sections = preview_sections(reader, masker, n, seed, row_tokens)
    lead = "A space stands before each word. What a masked token was is shown, not [MASK] itself."
    return page(title, sections, lead=lead, style=STYLE)


def preview_sections(
    reader: ShardReader, masker: Masker, n: int = 20, seed: int = 0, row_tokens: int = 512
) -> list[Section]:
    """Write a legend and the masked sequences as sections of a page that has STYLE.

    Raises:
        SettingsError: as `sample`.
    """
    sections = [Section("Legend", [_html_legend(reader)])]
    for number, shown in enumerate(sample(reader, masker, n, seed, row_tokens), start=1):
        parts = [tag("p", shown.summary, class_="note"), _html_tokens(shown, reader)]
        sections.append(Section(f"{number}. {shown.title}", parts))
    return sections


def _glyphs(sequence: Sequence, drawn: Drawn, vocabulary: Vocabulary, kinds: list[dict[str, str]]) -> list[Glyph]:
    length = len(sequence.ids)
    kind_at: dict[str, list[int | None]] = {"entity": [None] * length, "phrase": [None] * length}
    opens: dict[int, set[str]] = {}
    closes: dict[int, set[str]] = {}
    for start, end, kind in sequence.spans.tolist():
        mark = kinds[kind]["mark"]
        kind_at[mark][start:end] = [kind] * (end - start)
        opens.setdefault(start, set()).add(mark)
        closes.setdefault(end - 1, set()).add(mark)
    glyphs = []
    for place, (before, after) in enumerate(zip(sequence.ids.tolist(), drawn.ids.tolist(), strict=True)):
        flag = int(sequence.flags[place])
        outcome = _outcome(flag, bool(drawn.chosen[place]), before, after, vocabulary.mask_id)
        glyphs.append(
            Glyph(
                text=visible(vocabulary.tokens[before].removeprefix("##")),
                outcome=outcome,
                drawn=visible(vocabulary.tokens[after]) if outcome == "random" else "",
                spaced=place > 0 and bool(flag & (WORD | SPECIAL)),
                entity=kind_at["entity"][place],
                phrase=kind_at["phrase"][place],
                opens=frozenset(opens.get(place, ())),
                closes=frozenset(closes.get(place, ())),
            )
        )
    return glyphs


def _outcome(flag: int, chosen: bool, before: int, after: int, mask_id: int) -> Outcome:
    if flag & SPECIAL:
        return "special"
    if not chosen:
        return "plain"
    if after == mask_id:
        return "mask"
    return "keep" if after == before else "random"


def _in_colour(shown: Shown, names: list[str]) -> Text:
    """Entities have a ground of their kind's colour, phrases are italic, outcomes have the legend's colours."""
    text = Text()
    for glyph in shown.glyphs:
        marks = "" if glyph.phrase is None else "italic"
        ground = "" if glyph.entity is None else f"#1d1d1d on {_ground(glyph.entity)}"
        if glyph.spaced:
            text.append(" ", ground if "entity" not in glyph.opens else "")
        style = _TERMINAL_STYLES[glyph.outcome]
        text.append(glyph.text, f"{ground} {marks} {style}".strip())
        if glyph.drawn:
            text.append(f"→{glyph.drawn}", style)
        # The colours of outcomes hide the entity's; where they do at its end, its kind stands behind it in that colour.
        if "entity" in glyph.closes and glyph.entity is not None and glyph.outcome != "plain":
            text.append(f"/{names[glyph.entity]}", f"#5a5a5a on {_ground(glyph.entity)}")
    return text


def _in_brackets(shown: Shown, names: list[str]) -> Text:
    forms = {"mask": "[{}]", "keep": "[{}=]"}
    text = Text()
    for glyph in shown.glyphs:
        text.append(" " if glyph.spaced else "")
        text.append(("<" if "phrase" in glyph.opens else "") + ("{" if "entity" in glyph.opens else ""))
        text.append(
            f"[{glyph.text}→{glyph.drawn}]" if glyph.drawn else forms.get(glyph.outcome, "{}").format(glyph.text)
        )
        if "entity" in glyph.closes and glyph.entity is not None:
            text.append(f"/{names[glyph.entity]}}}")
        if "phrase" in glyph.closes and glyph.phrase is not None:
            text.append(f"/{names[glyph.phrase]}>")
    return text


def _terminal_legend(reader: ShardReader, colour: bool) -> Text:
    if not colour:
        return Text("[a] becomes [MASK]  [a→b] becomes b  [a=] stays, to be predicted  {entity/kind}  <phrase/kind>")
    text = Text()
    for outcome, said in _SAID.items():
        text.append(said, _TERMINAL_STYLES[outcome])
        text.append("  ")
    for number, kind in enumerate(reader.kinds):
        name = visible(kind["name"])
        text.append(name, f"#1d1d1d on {_ground(number)}" if kind["mark"] == "entity" else "italic")
        text.append("  ")
    return text


def _hue(kind: int) -> int:
    """Return a kind's hue in degrees: steps of the golden angle keep any number of kinds apart."""
    return round(210 + 137.508 * kind) % 360


def _ground(kind: int) -> str:
    """Return a kind's colour for a terminal, light enough for dark text."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in hls_to_rgb(_hue(kind) / 360, 0.85, 0.7))


def _html_tokens(shown: Shown, reader: ShardReader) -> Html:
    names = [kind["name"] for kind in reader.kinds]
    return tag("p", *(_html_glyph(glyph, names) for glyph in shown.glyphs), class_="tokens", lang="zh")


def _html_glyph(glyph: Glyph, names: list[str]) -> Html:
    """Make a token with the space before it; the space has the mark only where the mark goes on."""
    entity_goes_on, phrase_goes_on = "entity" not in glyph.opens, "phrase" not in glyph.opens
    space = " " if glyph.spaced else ""
    gap = _marked(space, glyph.entity if entity_goes_on else None, glyph.phrase if phrase_goes_on else None, names)
    inner: Html | str = glyph.text
    if glyph.outcome != "plain":
        after = f"→{glyph.drawn}" if glyph.drawn else ""
        inner = tag("span", glyph.text + after, class_=glyph.outcome, title=_SAID.get(glyph.outcome))
    return join(gap, _marked(inner, glyph.entity, glyph.phrase, names))


def _marked(inner: Html | str, entity: int | None, phrase: int | None, names: list[str]) -> Html | str:
    if not inner or (entity is None and phrase is None):
        return inner
    classes = [name for name, kind in (("entity", entity), ("phrase", phrase)) if kind is not None]
    style = "".join(f"--{name}:{_hue(kind)};" for name, kind in (("hue", entity), ("line", phrase)) if kind is not None)
    said = ", ".join(names[kind] for kind in (entity, phrase) if kind is not None)
    return tag("span", inner, class_=" ".join(classes), style=style, title=said)


def _html_legend(reader: ShardReader) -> Html:
    parts = [tag("span", said, class_=f"swatch {outcome}") for outcome, said in _SAID.items()]
    for number, kind in enumerate(reader.kinds):
        entity, phrase = (number, None) if kind["mark"] == "entity" else (None, number)
        parts.append(tag("span", _marked(kind["name"], entity, phrase, [kind["name"]] * (number + 1)), class_="swatch"))
    return tag("p", join(*parts, by=" "), class_="tokens")
