"""Made-up shards in memory: every token of a corpus has an id of its own, so a test sees where each one went."""

from dataclasses import dataclass, field

import numpy as np

from cn_bert.data.mixture import Mixture
from corpus_tools.draw import uniforms
from corpus_tools.schema import NO_SPANS, PARAGRAPH, SENTENCE, SPAN_DTYPE, SPECIAL, WORD

CLS, SEP, MASK = 2, 3, 4
FIRST_ID = 10
SIZE = 60_000


@dataclass(frozen=True)
class SmallVocabulary:
    fingerprint: str = "a" * 64
    size: int = SIZE
    pad_id: int = 0
    cls_id: int = CLS
    sep_id: int = SEP


@dataclass
class SmallReader:
    """What a ShardReader answers, out of lists."""

    names: list
    all_ids: list
    all_flags: list
    all_spans: list
    fingerprint: str = "shards"
    vocabulary: SmallVocabulary = field(default_factory=SmallVocabulary)
    kinds: list = field(default_factory=list)

    @property
    def lengths(self):
        return np.array([ids.size for ids in self.all_ids], np.int64)

    def __len__(self):
        return len(self.all_ids)

    def id(self, number):
        return self.names[number]

    def ids(self, number):
        return self.all_ids[number]

    def flags(self, number):
        return self.all_flags[number]

    def spans(self, number):
        return self.all_spans[number]


def make_reader(documents, *, name="shards", first_id=FIRST_ID, names=None, **more):
    """Make shards of documents given as lists of sentence lengths; every third token starts a word."""
    all_ids, all_flags, at = [], [], first_id
    for sentences in documents:
        length = sum(sentences)
        flags = np.zeros(length, np.uint8)
        flags[::3] |= WORD
        starts = np.cumsum([0, *sentences])[:-1].astype(int)
        flags[starts] |= SENTENCE | WORD
        flags[:1] |= PARAGRAPH
        all_ids.append(np.arange(at, at + length).astype(np.uint16))
        all_flags.append(flags)
        at += length
    assert at <= SIZE
    names = names or [f"{name}:{number}" for number in range(len(documents))]
    return SmallReader(names, all_ids, all_flags, [NO_SPANS] * len(documents), fingerprint=name, **more)


def draw_documents(seed, count, sentences=(1, 12), tokens=(1, 40)):
    draw = np.random.default_rng(seed)
    return [draw.integers(*tokens, size=draw.integers(*sentences)).tolist() for _ in range(count)]


def make_mixture(seed=0, count=60, held_out=0.1, **more):
    return Mixture([make_reader(draw_documents(seed, count, **more))], [1.0], held_out)


def make_spans(*triples):
    return np.array(list(triples), SPAN_DTYPE)


@dataclass(frozen=True)
class Drawn:
    ids: np.ndarray
    chosen: np.ndarray


class CoinMasker:
    """Masks each token that is not special by a coin of its key; remembers the keys it was asked for."""

    def __init__(self):
        self.keys = []

    def draw_all(self, ids, flags, bounds, spans, keys):
        drawn = [
            self.draw(ids[start:end], flags[start:end], tuple(key))
            for start, end, key in zip(bounds, bounds[1:], keys.tolist(), strict=False)
        ]
        return Drawn(np.concatenate([one.ids for one in drawn]), np.concatenate([one.chosen for one in drawn]))

    def draw(self, ids, flags, key):
        if (flags != SPECIAL).any():
            self.keys.append(key)
        chosen = (uniforms(key, ids.size) < 0.15) & (flags != SPECIAL)
        return Drawn(np.where(chosen, MASK, ids).astype(ids.dtype), np.cumsum(chosen) * chosen)
