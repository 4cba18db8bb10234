"""Documents of text to token ids, flags and spans: segment, find, tokenize, and let the offsets meet.

Letters: C characters of a batch, D documents, L tokens, S spans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from corpus_tools.encode.align import INSIDE_BITS, START_BITS, flag_tokens, mark_spans, token_spans
from corpus_tools.encode.counts import Counts
from corpus_tools.encode.lengths import count_lengths
from corpus_tools.encode.tokenize import CorpusTokenizer, Tokens
from corpus_tools.encode.unknown import unknown_characters
from corpus_tools.encode.vocabulary import Vocabulary
from corpus_tools.errors import SettingsError
from corpus_tools.schema import MAX_KINDS, NO_SPANS, SENTENCE, SPAN_DTYPE, WORD, Document, Flags, Ids, Offsets, Spans
from corpus_tools.segment import Segmenter
from corpus_tools.spans import Found, SpanFinder, choose
from corpus_tools.text.batch import TextBatch
from corpus_tools.text.read import Reject
from corpus_tools.text.sentences import character_tables, mark_sentences
from corpus_tools.text.simplify import Simplifier


@dataclass(slots=True)
class Encoded:
    """What became of a batch: each of its documents has a row here or is in `rejects`, in their order."""

    names: list[str]
    """The ids of the documents. [D]"""
    sources: list[str]
    """[D]"""
    ids: Ids
    """[L]"""
    flags: Flags
    """[L]"""
    bounds: Offsets
    """Where the tokens of each document begin, and L. [D + 1]"""
    spans: Spans
    """Relative to their document. [S]"""
    span_bounds: Offsets
    """Where the spans of each document begin, and S. [D + 1]"""
    rejects: list[Reject] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)


class Encoder:
    """Encode documents by one vocabulary, one segmenter and any number of span finders.

    Args:
        vocabulary: gives the ids.
        segmenter: gives the words.
        finders: give entities and phrases; where spans of one mark overlap, the earlier finder's is kept.
        simplifier: where it is given, words and spans are looked for in a simplified copy of the text.

    Raises:
        SettingsError: the finders have more than 256 kinds.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        segmenter: Segmenter,
        finders: Sequence[SpanFinder] = (),
        simplifier: Simplifier | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.kinds = list(dict.fromkeys(chain.from_iterable(finder.kinds for finder in finders)))
        """(kind, mark) by kind number."""
        if len(self.kinds) > MAX_KINDS:
            raise SettingsError(f"{len(self.kinds)} kinds of entities and phrases; a shard holds {MAX_KINDS}")
        self._segmenter = segmenter
        self._finders = list(finders)
        self._simplifier = simplifier
        self._tokenizer = CorpusTokenizer(vocabulary)
        self._characters = character_tables()
        number_of = {pair: number for number, pair in enumerate(self.kinds)}
        self._numbers = [np.array([number_of[pair] for pair in finder.kinds], np.int64) for finder in finders]
        self._marks = np.array([mark for _, mark in self.kinds])
        self._start_bits = np.array([START_BITS[mark] for _, mark in self.kinds], np.uint8)
        self._inside_bits = np.array([INSIDE_BITS[mark] for _, mark in self.kinds], np.uint8)

    def encode(self, documents: Sequence[Document]) -> Encoded:
        """Encode a batch. A document that gives no token (nothing but spaces and control characters) is rejected."""
        batch = TextBatch.of([document.text for document in documents], documents)
        copy, n_singly = self._simplifier.batch(batch) if self._simplifier else (batch, 0)
        marks = np.zeros(len(batch.codes), np.uint8)
        cut_before = self._segmenter.long_runs_cut
        self._segmenter.mark(copy, marks)
        mark_sentences(batch, marks, self._characters)
        tokens = self._tokenizer.tokenize(batch)
        flags, straddling = flag_tokens(marks, tokens)

        found = np.diff(tokens.bounds) > 0
        kept = [document for document, any_token in zip(documents, found.tolist(), strict=True) if any_token]
        made = Encoded(
            names=[document.id for document in kept],
            sources=[document.source for document in kept],
            ids=tokens.ids,
            flags=flags,
            bounds=np.append(tokens.bounds[:-1][found], tokens.bounds[-1]),
            spans=NO_SPANS,
            span_bounds=np.zeros(len(kept) + 1, np.int64),
        )
        made.counts.long_runs_cut = self._segmenter.long_runs_cut - cut_before
        made.counts.simplified_singly = n_singly
        for document in kept:
            made.counts.replaced_characters += document.n_replaced
            if document.cleaned:
                made.counts.cleaned_documents.update(document.cleaned.keys())
                made.counts.cleaned_characters.update(document.cleaned)
        if self._finders:
            self._find(copy, marks, tokens, made)
        for document, any_token in zip(documents, found.tolist(), strict=True):
            if not any_token:
                made.rejects.append(Reject(document.id, document.source, "no_tokens", "no character has a token"))
        made.counts.straddling_tokens = straddling
        self._count(batch, found, tokens, made)
        return made

    def _find(self, batch: TextBatch, marks: Flags, tokens: Tokens, made: Encoded) -> None:
        """Find spans, choose among those of a mark, carry them over to tokens and set their flags."""
        columns = [self._of_finder(finder.find(batch, marks), numbers, made.counts)
                   for finder, numbers in zip(self._finders, self._numbers, strict=True)]  # fmt: skip
        starts, ends, kinds = (np.concatenate(column) for column in zip(*self._chosen(columns), strict=True))
        first, last, rejected = token_spans(tokens, starts, ends)
        refused = np.zeros(len(starts), np.bool_)
        for reason, which in rejected.items():
            if n := int(np.count_nonzero(which)):
                made.counts.rejected[reason] += n
            refused |= which
        order = np.lexsort((kinds, last, first))
        order = order[~refused[order]]
        first, last, kinds = first[order], last[order], kinds[order]
        mark_spans(made.flags, first, last, self._start_bits[kinds], self._inside_bits[kinds])

        row = np.searchsorted(made.bounds, first, side="right") - 1
        made.spans = np.empty(len(first), SPAN_DTYPE)
        made.spans["start"], made.spans["end"] = first - made.bounds[row], last - made.bounds[row]
        made.spans["kind"] = kinds
        made.span_bounds = np.searchsorted(row, np.arange(len(made.bounds)), side="left")
        self._count_kinds(kinds, last - first, made.counts)

    def _of_finder(self, found: Found, numbers: Offsets, counts: Counts) -> tuple[Offsets, Offsets, Offsets]:
        counts.rejected.update(found.rejected)
        return found.starts, found.ends, numbers[found.kinds]

    def _chosen(self, columns: list[tuple[Offsets, Offsets, Offsets]]) -> list[tuple[Offsets, Offsets, Offsets]]:
        chosen = []
        for mark in START_BITS:
            of_mark = [tuple(column[self._marks[kinds] == mark] for column in (starts, ends, kinds))
                       for starts, ends, kinds in columns]  # fmt: skip
            keep = choose([(starts, ends) for starts, ends, _ in of_mark])
            chosen += [(s[free], e[free], k[free]) for (s, e, k), free in zip(of_mark, keep, strict=True)]
        return chosen

    def _count_kinds(self, kinds: Offsets, lengths: Offsets, counts: Counts) -> None:
        n_spans = np.bincount(kinds, minlength=len(self.kinds))
        n_tokens = np.bincount(kinds, lengths, minlength=len(self.kinds))
        for number in np.flatnonzero(n_spans).tolist():
            kind, mark = self.kinds[number]
            spans, tokens = (
                (counts.entities, counts.entity_tokens) if mark == "entity" else (counts.phrases, counts.phrase_tokens)
            )
            spans[kind] += int(n_spans[number])
            tokens[kind] += int(n_tokens[number])

    def _count(self, batch: TextBatch, found: np.ndarray, tokens: Tokens, made: Encoded) -> None:
        kept = np.repeat(found, np.diff(batch.bounds)) if not found.all() else slice(None)
        codes = batch.codes[kept]
        counts = made.counts
        counts.documents = len(made.names)
        counts.characters = len(codes)
        counts.bytes = len(codes) + sum(int(np.count_nonzero(codes >= least)) for least in (0x80, 0x800, 0x10000))
        counts.tokens = len(made.ids)
        counts.words = int(np.count_nonzero(made.flags & WORD))
        counts.sentences = int(np.count_nonzero(made.flags & SENTENCE))
        count_lengths(made.flags, tokens.begins, tokens.ends, made.bounds, counts)
        unknown = np.flatnonzero(made.ids == self.vocabulary.unk_id)
        counts.unknown_tokens = len(unknown)
        if len(unknown):
            begins, ends = tokens.begins[unknown], tokens.ends[unknown]
            counts.unknown_characters = unknown_characters(
                self._tokenizer, self.vocabulary.unk_id, batch.codes, begins, ends
            )
