"""Which characters stand behind [UNK]: those that the vocabulary has no token for."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from corpus_tools.encode.tokenize import CorpusTokenizer
from corpus_tools.schema import Offsets
from corpus_tools.text.batch import TextBatch


def unknown_characters(
    tokenizer: CorpusTokenizer, unknown_id: int, codes: npt.NDArray[np.uint32], begins: Offsets, ends: Offsets
) -> Counter[str]:
    """Count the characters within [UNK] tokens that are [UNK] by themselves too.

    One unknown letter makes a whole word [UNK]; the word's other letters are not counted. A word of known letters
    alone gives nothing: it is over 100 characters long, or one of its letters has no form inside a word.

    Args:
        tokenizer: what made the tokens.
        unknown_id: the id of [UNK].
        codes: the characters of the batch.
        begins, ends: the characters of each [UNK] token of the batch. [U]
    """
    lengths = ends - begins
    first = np.cumsum(lengths) - lengths  # where the characters of each token begin among those of all
    places = np.arange(lengths.sum()) + np.repeat(begins - first, lengths)
    found, numbers = np.unique(codes[places], return_counts=True)
    characters = [chr(code) for code in found.tolist()]
    alone = tokenizer.tokenize(TextBatch.of(characters))
    tokens_of = np.repeat(np.arange(len(characters)), np.diff(alone.bounds))
    lacking = np.unique(tokens_of[alone.ids == unknown_id]).tolist()
    return Counter({characters[place]: int(numbers[place]) for place in lacking})
