"""Whole words, phrases and entities of Chinese text, masked batch by batch for any trainer that takes a collator.

    Trainer(model, arguments, train_dataset=lines, data_collator=WholeWordCollator(tokenizer))

Letters: B features of a batch, L tokens of its longest sequence, filled up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Final, Literal
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from corpus_tools.corpus_settings import make_segmenter
from corpus_tools.encode.encoder import Encoder
from corpus_tools.encode.vocabulary import Vocabulary, from_tokenizer
from corpus_tools.errors import DataError, SettingsError
from corpus_tools.masking import Drawn, build_masker, masking_settings
from corpus_tools.masking.cut import N_SPECIAL, end_to_end, sequence_of
from corpus_tools.masking.cut import Sequence as MaskedSequence
from corpus_tools.masking.masker import IGNORED
from corpus_tools.schema import NO_SPANS, SPAN_DTYPE, Document, EncodedDocument, Offsets, id_type
from corpus_tools.spans import DictionaryTags, Lexicon, SpanFinder
from corpus_tools.spans.dictionary_tags import DEFAULT_TAGS

ENDLESS: Final = 1 << 31
"""A tokenizer that was never told the model's positions says 1e30."""


@dataclass(eq=False)
class WholeWordCollator:
    """Make masked batches of raw text, or of rows of a shard folder.

    A feature has `text`, a string that is segmented and tokenized here, or the columns `ids`, `flags` and `spans` of a
    shard, made with this tokenizer's vocabulary. It becomes `[CLS] tokens [SEP]`; what is longer than `max_length` is
    cut off. Trainer drops these columns before they get here unless `remove_unused_columns=False`.

    A mask follows from the sequence and one number that is drawn for it from torch's default generator. Trainer seeds
    that generator, and DataLoader seeds each worker's, another way every epoch. So no epoch repeats a mask, and a run
    repeats with the same seed and the same number of workers.

    Workers take up a copy without its tables, which they map from the user's cache folder again.

    Raises:
        SettingsError: a setting is unknown or out of range.
        DataError: the tokenizer is none of BERT's, or a list or dictionary cannot be used.
        MissingInputError: a list or dictionary is not there.
    """

    tokenizer: Any
    """A fast BERT tokenizer of transformers. The ids are its own with `split_special_tokens=True`."""
    masking: str | Mapping[str, Any] = "wwm"
    """A file of configs/masking, a path to one, or the settings themselves: {"name": "wwm", "rate": 0.2}."""
    max_length: int | None = None
    """The most tokens of a sequence, [CLS] and [SEP] counted, from 3 up; None for the tokenizer's model_max_length."""
    pad_to_multiple_of: int | None = None
    """L is rounded up to a multiple of this."""
    segmenter: str = "jieba"
    """A name of `corpus_tools.segment.SEGMENTERS`, or `by_function:MODULE:FUNCTION`."""
    dictionaries: Sequence[str] = ()
    """jieba user dictionaries, in order."""
    entities: Sequence[str] = ()
    """List files, one entity a line up to a tab. For masking that takes entities."""
    phrases: Sequence[str] = ()
    """List files of phrases. For masking that takes phrases or entities."""
    tags: Sequence[str] = DEFAULT_TAGS
    """Words with these tags in jieba's dictionary are entities. For masking that takes entities."""

    def __post_init__(self) -> None:
        for name in ("dictionaries", "entities", "phrases", "tags"):
            if isinstance(value := getattr(self, name), str):
                raise SettingsError(f"{name}: expected a list, found the text {value!r}. Write [{value!r}]")
        self._vocabulary = vocabulary_of(self.tokenizer)
        settings = masking_settings(self.masking) if isinstance(self.masking, str) else self.masking
        self._masker = build_masker(settings, self._vocabulary)
        self._room = self._longest() - N_SPECIAL
        if self.pad_to_multiple_of is not None and self.pad_to_multiple_of < 1:
            raise SettingsError(f"pad_to_multiple_of: {self.pad_to_multiple_of} is below 1")
        segmenter = make_segmenter(self.segmenter, tuple(self.dictionaries))
        self._encoder = Encoder(self._vocabulary, segmenter, self._finders())

    def __reduce__(self) -> tuple[Callable[[], WholeWordCollator], tuple[()]]:
        """Pickle the settings alone."""
        settings = {each.name: getattr(self, each.name) for each in fields(self)}
        return partial(type(self), **settings), ()

    def _longest(self) -> int:
        longest = self.tokenizer.model_max_length if self.max_length is None else self.max_length
        if longest >= ENDLESS:
            raise SettingsError("max_length: the tokenizer names none. Give the positions of the model: max_length=512")
        if longest <= N_SPECIAL:
            raise SettingsError(f"max_length: {longest} leaves no room beside [CLS] and [SEP]; 3 is the least")
        return int(longest)

    def _finders(self) -> list[SpanFinder]:
        """Build the finders whose marks the masking looks at."""
        level = self._masker.masking.level
        if self.entities and level != "entity":
            raise SettingsError(f"entities: {level} masking passes them over. Take masking='entity'")
        if self.phrases and level not in ("phrase", "entity"):
            raise SettingsError(f"phrases: {level} masking passes them over. Take masking='phrase' or 'entity'")
        finders: list[SpanFinder] = []
        if self.entities:
            finders.append(Lexicon([(None, path) for path in self.entities], "entity"))
        if self.phrases:
            finders.append(Lexicon([(None, path) for path in self.phrases], "phrase"))
        if self.tags and level == "entity":
            finders.append(DictionaryTags(self.dictionaries, self.tags))
        return finders

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Return `input_ids`, `token_type_ids`, `attention_mask` and `labels`, IGNORED where nothing is predicted.

        A text without a token (white space, control characters) becomes `[CLS] [SEP]` with nothing to predict.

        Args:
            features: at least one, all with the same columns.

        Returns:
            Four tensors of int64. [B, L] each

        Raises:
            DataError: there is no feature, or one has no such columns, others than the first, or an id that the
                vocabulary has not.
        """
        vocabulary = self._vocabulary
        sequences = [
            sequence_of(document, 0, min(self._room, len(document.ids)), vocabulary.cls_id, vocabulary.sep_id)
            for document in self._documents(features)
        ]
        whole, bounds = end_to_end(sequences)
        drawn = self._masker.draw_all(whole.ids, whole.flags, bounds, whole.spans, _keys(sequences))
        return self._padded(whole, drawn, bounds)

    def _documents(self, features: Sequence[Mapping[str, Any]]) -> list[EncodedDocument]:
        if not features:
            raise DataError("a batch of no feature. Give one at least")
        forms = {_form(feature) for feature in features}
        if len(forms) > 1:
            raise DataError("some features of a batch have text, others ids and flags. Keep them in data sets apart")
        if forms == {"shard"}:
            return [_of_shard(feature, self._vocabulary.size) for feature in features]
        return self._of_texts([feature["text"] for feature in features])

    def _of_texts(self, texts: Sequence[Any]) -> list[EncodedDocument]:
        for text in texts:
            if not isinstance(text, str):
                raise DataError(f"a feature's text is of type {type(text).__name__}. Leave such rows out")
        made = self._encoder.encode([Document(str(number), "", text) for number, text in enumerate(texts)])
        nothing = np.zeros(0, made.ids.dtype), np.zeros(0, np.uint8)
        documents = [EncodedDocument(str(number), "", *nothing, NO_SPANS) for number in range(len(texts))]
        for row, name in enumerate(made.names):
            tokens = slice(made.bounds[row], made.bounds[row + 1])
            spans = made.spans[made.span_bounds[row] : made.span_bounds[row + 1]]
            documents[int(name)] = EncodedDocument(name, "", made.ids[tokens], made.flags[tokens], spans)
        return documents

    def _padded(self, whole: MaskedSequence, drawn: Drawn, bounds: Offsets) -> dict[str, Tensor]:
        lengths = np.diff(bounds)
        multiple = self.pad_to_multiple_of or 1
        inside = np.arange(-(-lengths.max() // multiple) * multiple) < lengths[:, None]
        input_ids = np.full(inside.shape, self._vocabulary.pad_id, np.int64)
        input_ids[inside] = drawn.ids
        labels = np.full(inside.shape, IGNORED, np.int64)
        labels[inside] = drawn.labels(whole.ids)
        return {
            "input_ids": torch.from_numpy(input_ids),
            "token_type_ids": torch.zeros(inside.shape, dtype=torch.int64),
            "attention_mask": torch.from_numpy(inside.astype(np.int64)),
            "labels": torch.from_numpy(labels),
        }


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """Return the vocabulary of a transformers tokenizer.

    Raises:
        DataError: it is not a fast BERT tokenizer, or one whose ids would not be reproduced.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise DataError(f"{type(tokenizer).__name__}: is no fast tokenizer. Load it as a transformers.BertTokenizer")
    return from_tokenizer(json.loads(backend.to_str()), type(tokenizer).__name__)


def _form(feature: Mapping[str, Any]) -> Literal["shard", "text"]:
    """Say what a feature holds; text is passed over where ids and flags are there too."""
    if not isinstance(feature, Mapping):
        raise DataError(f'a feature is of type {type(feature).__name__}, no columns. Give {{"text": ...}}')
    if {"ids", "flags"} <= feature.keys():
        return "shard"
    if "text" in feature:
        return "text"
    raise DataError(
        f"a feature has the columns ({', '.join(feature)}), neither text nor ids and flags. "
        "Trainer keeps them with TrainingArguments(remove_unused_columns=False)"
    )


def _of_shard(feature: Mapping[str, Any], vocabulary_size: int) -> EncodedDocument:
    ids = np.asarray(feature["ids"], np.int64)
    if ids.size and not 0 <= ids.min() <= ids.max() < vocabulary_size:
        raise DataError(
            f"a feature has the id {ids.max()}, the tokenizer {vocabulary_size} entries. "
            "Take the tokenizer of the shards, in their folder tokenizer/"
        )
    spans = [(span["start"], span["end"], span["kind"]) for span in feature.get("spans") or ()]
    flags = np.asarray(feature["flags"], np.uint8)
    return EncodedDocument("", "", ids.astype(id_type(vocabulary_size)), flags, np.array(spans, SPAN_DTYPE))


def _keys(sequences: Sequence[MaskedSequence]) -> Offsets:
    """Return a key for each sequence: a number drawn for it, and the checksum of its ids. [B, 2]

    Ranks that are seeded alike draw the same numbers, but hold other sequences.
    """
    drawn = torch.randint(1 << 62, (len(sequences),)).numpy()
    return np.stack((drawn, np.array([crc32(sequence.ids.tobytes()) for sequence in sequences])), axis=1)
