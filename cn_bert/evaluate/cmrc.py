"""CMRC 2018's scores of an extracted answer: exact match, and F1 over the longest common run.

Source: the rule of cmrc2018_evaluate.py (version "v5 - special", ymcui/cmrc2018), written anew. Unlike SQuAD's F1 the
overlap is one contiguous run, not a bag of words, so scores are lower and do not compare.

One difference: the official script calls `nltk.word_tokenize`, which splits non-Chinese text into sentences first and
needs a downloaded model for that. Here its word tokenizer runs on the whole stretch. The two differ only where such a
stretch holds a full stop followed by a space.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from functools import cache
from typing import Any, Final

PUNCTUATION: Final = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
"""What the script removes. It also lists "……", which as two characters never equals one, so an ellipsis stays, and so
do the left single quotation mark and the ASCII full stop, comma, quotes and brackets."""

_CHARACTER_OR_STRETCH: Final = re.compile(r"[\u4e00-\u9fa5]|[^\u4e00-\u9fa5]+")


@cache
def _words() -> Any:
    from nltk.tokenize import NLTKWordTokenizer  # here, because nltk takes a second to import

    return NLTKWordTokenizer()


def normalize(text: str) -> str:
    """Lower the case, strip the ends and drop the punctuation; spaces inside stay."""
    return "".join(char for char in text.lower().strip() if char not in PUNCTUATION)


def pieces(text: str) -> list[str]:
    """Cut a normalized text: every Chinese character by itself, the rest into words.

    Punctuation is gone before the cut, so "3-4" is the one piece "34", as in the official script.
    """
    found: list[str] = []
    for stretch in _CHARACTER_OR_STRETCH.findall(normalize(text)):
        found.extend(stretch if "\u4e00" <= stretch[0] <= "\u9fa5" else _words().tokenize(stretch))
    return found


def common_run(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest run of pieces that stands in both."""
    return SequenceMatcher(None, first, second, autojunk=False).find_longest_match().size


def f1(answer: str, reference: str) -> float:
    """Return the harmonic mean of the run's share in the answer and in the reference, 0 to 1."""
    given, wanted = pieces(answer), pieces(reference)
    run = common_run(given, wanted)
    return 2 * run / (len(given) + len(wanted)) if run else 0.0


def exact_match(answer: str, reference: str) -> bool:
    """Say whether both are the same once case and punctuation are gone."""
    return normalize(answer) == normalize(reference)


def score(predictions: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Score a whole set as the official script does: the best reference counts, a missing answer counts 0.

    Args:
        predictions: question id to answer; ids that were not asked are ignored.
        references: question id to its accepted answers, at least one each.

    Returns:
        `exact_match` and `f1` in percent, 0 to 100.

    Raises:
        ValueError: there is no question, or one without a reference.
    """
    if not references:
        raise ValueError("no questions to score")
    matches = overlap = 0.0
    for name, accepted in references.items():
        if not accepted:
            raise ValueError(f"question {name} has no reference answer")
        if name in predictions:
            matches += any(exact_match(predictions[name], reference) for reference in accepted)
            overlap += max(f1(predictions[name], reference) for reference in accepted)
    return {"exact_match": 100 * matches / len(references), "f1": 100 * overlap / len(references)}
