"""Extractive reading: the answer to a question is a stretch of its passage.

The input is [CLS] question [SEP] passage window [SEP]. The model scores each token as the begin and as the end of the
answer. In training, a window without the answer has [CLS] as its target, so that windows of one question compete on
one scale when the best stretch over all of them is taken.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from cn_bert.evaluate import cmrc
from cn_bert.finetune.features import Feature, Output, Run
from cn_bert.finetune.files import read_json
from cn_bert.finetune.task import ReadingTask
from cn_bert.finetune.windows import Floats, Offsets, best_stretch, cut_windows, locate_answer, tokens_of
from corpus_tools.errors import DataError


@dataclass(frozen=True)
class Question:
    """A question, its passage, and the accepted answers; the first one, said to be at `answer_start`, is learned."""

    id: str
    question: str
    passage: str
    answers: tuple[str, ...] = ()
    answer_start: int = 0


@dataclass(frozen=True)
class Window:
    """Passage tokens [start, end) of question number `question`, as they stand behind `prefix` tokens of the input."""

    question: int
    start: int
    end: int
    prefix: int
    feature: Feature


class _PassageScores(NamedTuple):
    """What the model said of a window's passage tokens, which begin at token `start` of the passage. [N] each"""

    start: int
    begins: Floats
    ends: Floats

    @classmethod
    def of(cls, window: Window, output: Output) -> _PassageScores:
        passage = slice(window.prefix, window.prefix + window.end - window.start)
        return cls(window.start, output["start_logits"][passage], output["end_logits"][passage])

    def score(self, first: int, last: int) -> float:
        """Return the score of passage tokens [first, last], minus infinity where the window does not hold both."""
        if first < self.start or last >= self.start + len(self.begins):
            return -np.inf
        return float(self.begins[first - self.start]) + float(self.ends[last - self.start])


@dataclass(frozen=True)
class Encoded:
    """Token ids of the questions, and of each passage its ids and character offsets [N, 2]."""

    questions: list[list[int]]
    passages: dict[str, tuple[npt.NDArray[np.int64], Offsets]]


@dataclass(frozen=True)
class Reading:
    """A begin and an end among the passage's tokens, by transformers' question answering head."""

    task: ReadingTask
    model_class: ClassVar[str] = "AutoModelForQuestionAnswering"
    outputs: ClassVar[Mapping[str, bool]] = {"start_logits": True, "end_logits": True}
    predictions_file: ClassVar[str] = "predictions.json"

    def config(self) -> dict[str, Any]:
        return {}

    def read(self, path: Path) -> list[Question]:
        """Read a SQuAD-style file.

        Raises:
            DataError: the file is not of that form, a question has no answer, or an id stands twice.
        """
        questions = list(read_questions(path))
        if not questions:
            raise DataError(f"{path}: holds no question")
        name, times = Counter(question.id for question in questions).most_common(1)[0]
        if times > 1:
            raise DataError(f"{path}: the question id '{name}' stands {times} times; predictions need one each")
        return questions

    def training_features(self, examples: Sequence[Question], tokenizer: Any) -> tuple[list[Feature], dict[str, int]]:
        encoded = _encode(examples, tokenizer, self.task.max_question_tokens)
        counts = dict.fromkeys(("examples", "moved_answers", "left_out", "off_token_edges", "windows"), 0)
        features: list[Feature] = []
        for number, question in enumerate(examples):
            counts["examples"] += 1
            target = _target(question, encoded.passages[question.passage][1], counts)
            if target is None:
                counts["left_out"] += 1
                continue
            for window in self._windows_of(number, question, encoded, tokenizer):
                features.append(_with_target(window, *target))
        counts["windows"] = len(features)
        return features, counts

    def windows(self, examples: Sequence[Question], encoded: Encoded, tokenizer: Any) -> list[Window]:
        """Cut the passage of every question into windows that together cover it."""
        return [w for n, question in enumerate(examples) for w in self._windows_of(n, question, encoded, tokenizer)]

    def _windows_of(self, number: int, question: Question, encoded: Encoded, tokenizer: Any) -> Iterator[Window]:
        head = [tokenizer.cls_token_id, *encoded.questions[number], tokenizer.sep_token_id]
        ids = encoded.passages[question.passage][0]
        for start, end in cut_windows(len(ids), self.task.max_tokens - len(head) - 1, self.task.stride):
            row = np.concatenate([head, ids[start:end], [tokenizer.sep_token_id]]).astype(np.int64)
            types = (np.arange(len(row)) >= len(head)).astype(np.int64)
            feature = {"input_ids": row, "token_type_ids": types}
            yield Window(number, start, end, len(head), feature)

    def predict(self, examples: Sequence[Question], tokenizer: Any, run: Run) -> list[dict[str, Any]]:
        """Return for each question `id`, `answer`, `start` (a character of the passage) and `probability`.

        The probability is the stretch's share among all permitted stretches, summed over the windows that hold it. An
        empty passage has the answer "" with probability 0.
        """
        encoded = _encode(examples, tokenizer, self.task.max_question_tokens)
        windows = self.windows(examples, encoded, tokenizer)
        scored = zip(windows, run([window.feature for window in windows]), strict=True)
        by_question = groupby(scored, key=lambda pair: pair[0].question)
        return [
            {"id": examples[n].id, **self._answer(examples[n], encoded.passages[examples[n].passage][1], pairs)}
            for n, pairs in by_question
        ]

    def _answer(self, question: Question, offsets: Offsets, scored: Iterator[tuple[Window, Output]]) -> dict[str, Any]:
        parts = [_PassageScores.of(window, output) for window, output in scored if window.start < window.end]
        if not parts:
            return {"answer": "", "start": 0, "probability": 0.0}
        found = [best_stretch(part.begins, part.ends, self.task.max_answer_tokens) for part in parts]
        (best, _), part = max(zip(found, parts, strict=True), key=lambda pair: pair[0][0].score)
        first, last = part.start + best.first, part.start + best.last
        everything = np.logaddexp.reduce([total for _, total in found])
        here = np.logaddexp.reduce([part.score(first, last) for part in parts])
        start, end = int(offsets[first, 0]), int(offsets[last, 1])
        probability = float(np.exp(here - everything))
        return {"answer": question.passage[start:end], "start": start, "probability": probability}

    def score(self, examples: Sequence[Question], predictions: Sequence[dict[str, Any]]) -> dict[str, float]:
        """Return exact match and F1 by CMRC 2018's rule, in percent."""
        answers = {one["id"]: one["answer"] for one in predictions}
        return cmrc.score(answers, {question.id: question.answers for question in examples})

    def baseline(self, examples: Sequence[Question]) -> dict[str, float]:
        return {}

    def to_text(self, examples: Sequence[Question], predictions: Sequence[dict[str, Any]]) -> str:
        """Write {question id: answer}, the form that the official scorer reads."""
        answers = {one["id"]: one["answer"] for one in predictions}
        return json.dumps(answers, ensure_ascii=False, indent=1) + "\n"


def _encode(examples: Sequence[Question], tokenizer: Any, max_question_tokens: int) -> Encoded:
    """Tokenize each question and each different passage once."""
    plain = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
    questions = tokenizer([one.question for one in examples], **plain)["input_ids"] if examples else []
    passages = list(dict.fromkeys(one.passage for one in examples))
    found = tokenizer(passages, return_offsets_mapping=True, **plain) if passages else {}
    pairs = zip(found.get("input_ids", []), found.get("offset_mapping", []), strict=True)
    arrays = [(np.array(ids, np.int64), np.array(offsets, np.int64).reshape(-1, 2)) for ids, offsets in pairs]
    return Encoded([ids[:max_question_tokens] for ids in questions], dict(zip(passages, arrays, strict=True)))


def _target(question: Question, offsets: Offsets, counts: dict[str, int]) -> tuple[int, int] | None:
    """Return first and last passage token of the answer, counting answers that moved or begin or end in a token."""
    span = locate_answer(question.passage, question.answers[0], question.answer_start)
    tokens = tokens_of(offsets, *span) if span else None
    if span is None or tokens is None:
        return None
    counts["moved_answers"] += not question.passage.startswith(question.answers[0], max(question.answer_start, 0))
    counts["off_token_edges"] += (offsets[tokens[0], 0], offsets[tokens[1], 1]) != span
    return tokens


def _with_target(window: Window, first: int, last: int) -> Feature:
    inside = window.start <= first and last < window.end
    shift = window.prefix - window.start
    begin, end = (first + shift, last + shift) if inside else (0, 0)  # 0 is [CLS]: not in this window
    return {**window.feature, "start_positions": begin, "end_positions": end}


def read_questions(path: Path) -> Iterator[Question]:
    """Yield the questions of a SQuAD-style file: data, paragraphs, qas.

    Raises:
        DataError: a part is missing or of another type; the message has its path in the file.
    """
    for a, article in enumerate(_part(read_json(path), "data", list, str(path))):
        for p, paragraph in enumerate(_part(article, "paragraphs", list, f"{path}: data[{a}]")):
            place = f"{path}: data[{a}].paragraphs[{p}]"
            passage = _part(paragraph, "context", str, place)
            for q, asked in enumerate(_part(paragraph, "qas", list, place)):
                yield _question(asked, passage, f"{place}.qas[{q}]")


def _question(asked: Any, passage: str, place: str) -> Question:
    answers = _part(asked, "answers", list, place)
    texts = tuple(_part(answer, "text", str, f"{place}.answers[{n}]") for n, answer in enumerate(answers))
    if not texts:
        raise DataError(f"{place}: has no answer; unanswerable questions are not supported")
    start = answers[0].get("answer_start")
    name = asked.get("id")
    if not isinstance(name, str | int):
        raise DataError(f"{place}: 'id' is missing or no text")
    return Question(str(name), _part(asked, "question", str, place), passage, texts, start if type(start) is int else 0)


def _part(value: Any, key: str, kind: type, place: str) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get(key), kind):
        raise DataError(f"{place}: '{key}' is missing or no {'text' if kind is str else 'list'}")
    return value[key]
