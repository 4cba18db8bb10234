"""Which tokens a model has to tell, and what it sees in their place: strategies, budgets and the replacement rule.

`build_masker(masking_settings("wwm"), vocabulary)` gives a `Masker`; its `draw` masks one sequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from corpus_tools import configs
from corpus_tools.choose import build
from corpus_tools.errors import SettingsError
from corpus_tools.masking.char import CharacterMasking
from corpus_tools.masking.corrupt import Corruption, MaskingVocabulary
from corpus_tools.masking.entity import EntityMasking
from corpus_tools.masking.masker import Drawn, Masker
from corpus_tools.masking.phrase import PhraseMasking
from corpus_tools.masking.protocol import Masking
from corpus_tools.masking.wwm import WholeWordMasking

__all__ = [
    "CORRUPTIONS",
    "MASKINGS",
    "Corruption",
    "Drawn",
    "Masker",
    "Masking",
    "MaskingVocabulary",
    "build_corruption",
    "build_masker",
    "build_masking",
    "filled_settings",
    "masking_settings",
]

MASKINGS: Final[dict[str, type[Masking]]] = {
    "char": CharacterMasking,
    "wwm": WholeWordMasking,
    "phrase": PhraseMasking,
    "entity": EntityMasking,
}

CORRUPTIONS: Final[dict[str, type[Corruption]]] = {"mask": Corruption}


def masking_settings(name: str) -> dict[str, Any]:
    """Read the `masking:` mapping of `configs/masking/NAME.yaml`, or of a YAML file at a path.

    Raises:
        SettingsError: no such name, or the file holds something else.
        MissingInputError: the path has no file.
    """
    found = configs.load("masking", name)
    if list(found) != ["masking"] or not isinstance(found["masking"], dict):
        raise SettingsError(f"{configs.place('masking', name)}: expected the one key 'masking' with settings under it")
    settings: dict[str, Any] = found["masking"]
    return settings


def build_masking(settings: Mapping[str, Any]) -> Masking:
    """Build a strategy from {"name": "wwm", "rate": 0.15}; `corruption` in it is passed over.

    Raises:
        SettingsError: a name or setting is unknown or out of range.
    """
    made: Masking = build("masking", MASKINGS, {key: settings[key] for key in settings if key != "corruption"})
    return made


def build_corruption(settings: Mapping[str, Any]) -> Corruption:
    """Build the replacement rule from the `corruption` under masking settings; without one it is 80/10/10.

    Raises:
        SettingsError: a setting is unknown or out of range.
    """
    wanted = settings.get("corruption") or {}
    if not isinstance(wanted, Mapping):
        raise SettingsError(
            f"masking.corruption: {wanted!r} is not a mapping; write {{mask: 0.8, random: 0.1, keep: 0.1}}"
        )
    made: Corruption = build("masking.corruption", CORRUPTIONS, {"name": "mask", **wanted})
    return made


def build_masker(settings: Mapping[str, Any], vocabulary: MaskingVocabulary) -> Masker:
    """Build a strategy and a replacement rule for a vocabulary from the settings under `masking:`.

    Raises:
        SettingsError: a name or setting is unknown or out of range.
        DataError: the vocabulary has nothing to draw random tokens from.
    """
    corruption = build_corruption(settings)
    return Masker(build_masking(settings), corruption, vocabulary.mask_id, corruption.pool(vocabulary))


def filled_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return masking settings with every default written out, as a run saves them.

    Raises:
        SettingsError: a name or setting is unknown or out of range.
    """
    masking: Any = build_masking(settings)
    return {"name": settings["name"], **asdict(masking), "corruption": asdict(build_corruption(settings))}
