"""Documents of text to documents of token ids, flags and spans: segment, find, tokenize, and let the offsets meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from corpus_tools.encode.align import first_tokens, mark_spans, token_spans, word_starts
from corpus_tools.encode.counts import Counts
from corpus_tools.encode.tokenize import CorpusTokenizer, Tokens
from corpus_tools.encode.vocabulary import Vocabulary
from corpus_tools.errors import SettingsError
from corpus_tools.schema import (
    MAX_KINDS,
    PARAGRAPH,
    SENTENCE,
    WORD,
    Document,
    EncodedDocument,
    Flags,
    Offsets,
    Spans,
)
from corpus_tools.segment import Segmenter
from corpus_tools.spans import SpanFinder, combine
from corpus_tools.text.read import Reject
from corpus_tools.text.sentences import paragraphs, sentences

INSIDE_RUN = "inside_run"
"""A match that begins or ends within a run of Latin letters or digits: the finder rejected it."""


@dataclass(slots=True)
class Encoded:
    """What became of a batch: its documents are in `documents` or in `rejects`, each once, in their order."""

    documents: list[EncodedDocument] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


class Encoder:
    """Encode documents by one vocabulary, one segmenter and any number of span finders.

    Args:
        vocabulary: gives the ids.
        segmenter: gives the words.
        finders: give entities and phrases; where two want the same characters, leftmost, longest, earlier finder wins.

    Raises:
        SettingsError: the finders have more than 256 kinds.
    """

    def __init__(self, vocabulary: Vocabulary, segmenter: Segmenter, finders: Sequence[SpanFinder] = ()) -> None:
        self.vocabulary = vocabulary
        self.kinds = list(dict.fromkeys(pair for finder in finders for pair in finder.kinds))
        """(kind, mark) by kind number."""
        if len(self.kinds) > MAX_KINDS:
            raise SettingsError(f"{len(self.kinds)} kinds of entities and phrases; a shard holds {MAX_KINDS}")
        self._segmenter = segmenter
        self._finders = list(finders)
        self._tokenizer = CorpusTokenizer(vocabulary)
        self._number_of = {pair: number for number, pair in enumerate(self.kinds)}
        self._mark_of = {number: mark for number, (_, mark) in enumerate(self.kinds)}

    def encode(self, documents: Sequence[Document]) -> Encoded:
        """Encode a batch. A document that gives no token (nothing but spaces and control characters) is rejected."""
        made = Encoded()
        texts = [document.text for document in documents]
        cut_before = self._segmenter.long_runs_cut
        all_words = self._segmenter.starts(texts)
        all_tokens = self._tokenizer.tokenize(texts)
        made.counts.long_runs_cut = self._segmenter.long_runs_cut - cut_before
        for document, words, tokens in zip(documents, all_words, all_tokens, strict=True):
            if len(tokens.ids):
                made.documents.append(self._mark(document, words, tokens, made.counts))
            else:
                made.rejects.append(Reject(document.id, document.source, "no_tokens", "no character has a token"))
        return made

    def _mark(self, document: Document, words: Offsets, tokens: Tokens, counts: Counts) -> EncodedDocument:
        text = document.text
        starts_word, straddling = word_starts(tokens, words, len(text))
        flags: Flags = starts_word.astype(np.uint8) * np.uint8(WORD)
        flags[first_tokens(tokens, (start for start, _ in sentences(text)))] |= SENTENCE
        flags[first_tokens(tokens, (start for start, _ in paragraphs(text)))] |= PARAGRAPH
        # Also where the first paragraph is one that only the tokenizer sees something in.
        flags[0] |= SENTENCE | PARAGRAPH
        spans = self._find(text, words, tokens, counts)
        mark_spans(flags, spans, self._mark_of)

        counts.documents += 1
        counts.characters += len(text)
        counts.bytes += len(text.encode("utf-8"))
        counts.tokens += len(flags)
        counts.words += int(np.count_nonzero(flags & WORD))
        counts.sentences += int(np.count_nonzero(flags & SENTENCE))
        counts.unknown_tokens += int(np.count_nonzero(tokens.ids == self.vocabulary.unk_id))
        counts.straddling_tokens += straddling
        return EncodedDocument(document.id, document.source, tokens.ids, flags, spans)

    def _find(self, text: str, words: Offsets, tokens: Tokens, counts: Counts) -> Spans:
        found = [finder.find(text, words) for finder in self._finders]
        if inside_runs := sum(rejected for _, rejected in found):
            counts.rejected[INSIDE_RUN] += inside_runs
        spans, rejected = token_spans(tokens, combine([spans for spans, _ in found]), self._number_of)
        counts.rejected.update(rejected)
        per_kind = np.bincount(spans["kind"], minlength=len(self.kinds)).tolist()
        for (kind, mark), n in zip(self.kinds, per_kind, strict=True):
            if n:
                (counts.entities if mark == "entity" else counts.phrases)[kind] += n
        return spans
