"""How text becomes sequences, each what attention never leaves: the kinds that recipes name under `sequences`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cn_bert.data.sequences.kind import SequenceKind
from cn_bert.data.sequences.pairs import NspPairs, UnlabelledPairs
from cn_bert.data.sequences.sentences import DocSentences
from corpus_tools.choose import build

SEQUENCES: Final[dict[str, type[SequenceKind]]] = {
    "nsp_pairs": NspPairs,
    "unlabelled_pairs": UnlabelledPairs,
    "doc_sentences": DocSentences,
}


def build_sequences(settings: Mapping[str, Any]) -> SequenceKind:
    """Build what `settings["name"]` names, with the other settings as its fields.

    Raises:
        SettingsError: the name or a setting is unknown, or a value is refused.
    """
    kind: SequenceKind = build("sequences", SEQUENCES, settings)
    return kind
