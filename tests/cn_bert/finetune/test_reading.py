"""Questions and passages as features, and stretches as answers."""

import json
import random

import numpy as np
import pytest

from cn_bert.finetune.reading import Question, Reading, _encode
from cn_bert.finetune.task import load_task
from corpus_tools.errors import DataError

KIND = Reading(load_task("cmrc2018", ["max_tokens=24", "max_question_tokens=5", "stride=7", "max_answer_tokens=12"]))
WORDS = ["好", "店", "书", "1999年", "20 19年", "NBA", "abc ", "a", "。", " ", "ＡＢＣ", "3", "没见过", "[SEP]", "山"]


def made_questions(count: int) -> list[Question]:
    """Passages of Chinese, Latin, digits, spaces, unknown characters; answers are runs of their words."""
    draw = random.Random(7)
    found = []
    while len(found) < count:
        words = draw.choices(WORDS, k=draw.randint(1, 30))
        first = draw.randrange(len(words))
        start = len("".join(words[:first]))
        answer = "".join(words[first : first + draw.randint(1, 3)])
        if answer.strip():
            found.append(Question(f"Q{len(found)}", "这是什么书？在哪里", "".join(words), (answer,), start))
    return found


def test_a_target_decodes_to_its_answer(tokenizer):
    questions = made_questions(300)
    encoded = _encode(questions, tokenizer, KIND.task.max_question_tokens)
    windows = KIND.windows(questions, encoded, tokenizer)
    features, counts = KIND.training_features(questions, tokenizer)

    right = asked = 0
    for window, feature in zip(windows, features, strict=True):
        if feature["start_positions"]:
            question = questions[window.question]
            asked += 1
            ids = feature["input_ids"][feature["start_positions"] : feature["end_positions"] + 1]
            wanted = tokenizer(question.answers[0].strip(), add_special_tokens=False, split_special_tokens=True)
            right += tokenizer.decode(ids) == tokenizer.decode(wanted["input_ids"])

    assert counts["left_out"] == 0
    assert asked >= len(questions)
    # Words that touch join into one Latin run; only then can an answer begin or end inside a token.
    assert right + 2 * counts["off_token_edges"] >= 0.995 * asked
    assert counts["off_token_edges"] < 0.25 * len(questions)


def test_windows_hold_every_passage_token_behind_its_question(tokenizer):
    questions = made_questions(50)
    encoded = _encode(questions, tokenizer, KIND.task.max_question_tokens)
    seen: dict[int, set[int]] = {number: set() for number in range(len(questions))}
    for window in KIND.windows(questions, encoded, tokenizer):
        ids, types = window.feature["input_ids"], window.feature["token_type_ids"]
        passage = encoded.passages[questions[window.question].passage][0]
        head = [tokenizer.cls_token_id, *encoded.questions[window.question], tokenizer.sep_token_id]
        assert ids.tolist() == [*head, *passage[window.start : window.end], tokenizer.sep_token_id]
        assert types.tolist() == [0] * len(head) + [1] * (len(ids) - len(head))
        assert len(ids) <= KIND.task.max_tokens
        seen[window.question] |= set(range(window.start, window.end))

    for number, question in enumerate(questions):
        assert seen[number] == set(range(len(encoded.passages[question.passage][0])))


def test_a_window_without_the_answer_has_cls_as_its_target(tokenizer):
    question = Question("Q", "谁？", "山" * 40 + "金木", ("金木",), 40)

    features, _ = KIND.training_features([question], tokenizer)

    targets = [(feature["start_positions"], feature["end_positions"]) for feature in features]
    assert targets[0] == (0, 0)
    assert targets[-1][1] == targets[-1][0] + 1


def test_answers_that_are_not_where_they_should_be_are_moved_or_left_out_and_counted(tokenizer):
    questions = [
        Question("ok", "谁？", "金木山水", ("山",), 2),
        Question("moved", "谁？", "金木山水", ("山",), 0),
        Question("gone", "谁？", "金木山水", ("火",), 2),
    ]

    features, counts = KIND.training_features(questions, tokenizer)

    assert counts == {"examples": 3, "moved_answers": 1, "left_out": 1, "off_token_edges": 0, "windows": 2}
    assert features[0]["start_positions"] == features[1]["start_positions"]


def test_an_answer_inside_a_token_takes_the_whole_token_and_is_counted(tokenizer):
    question = Question("Q", "谁？", "在3a年", ("a年",), 2)

    _, counts = KIND.training_features([question], tokenizer)

    assert counts["off_token_edges"] == 0  # "3" and "##a" are two tokens
    assert (
        KIND.training_features([Question("Q", "谁？", "在nba年", ("ba年",), 2)], tokenizer)[1]["off_token_edges"] == 1
    )


def pointing_at(text: str, tokenizer):
    """A model that knows where `text` begins and ends wherever a window shows all of it."""
    wanted = tokenizer(text, add_special_tokens=False)["input_ids"]

    def run(features):
        outputs = []
        for feature in features:
            ids = feature["input_ids"].tolist()
            begin, end = np.zeros((2, len(ids)), np.float32)
            begin[0] = end[0] = 50  # [CLS] scores high and is no answer
            for at in range(len(ids)):
                if ids[at : at + len(wanted)] == wanted:
                    begin[at], end[at + len(wanted) - 1] = 9, 9
            outputs.append({"start_logits": begin, "end_logits": end})
        return outputs

    return run


def test_the_answer_is_text_of_the_passage_whatever_window_it_stands_in(tokenizer):
    passage = "山" * 30 + "在 1999年，有NBA。" + "水" * 30
    question = Question("Q7", "什么？", passage)

    found = KIND.predict([question], tokenizer, pointing_at("1999年，有nba", tokenizer))

    assert found[0]["id"] == "Q7"
    assert found[0]["answer"] == "1999年，有NBA"
    assert passage[found[0]["start"] :].startswith(found[0]["answer"])
    assert 0.99 < found[0]["probability"] <= 1


def test_questions_of_one_passage_and_empty_passages_are_answered_in_order(tokenizer):
    questions = [Question("a", "谁？", "山水"), Question("b", "谁？", ""), Question("c", "什么？", "山水")]

    found = KIND.predict(questions, tokenizer, pointing_at("水", tokenizer))

    assert [(one["id"], one["answer"]) for one in found] == [("a", "水"), ("b", ""), ("c", "水")]


def test_predictions_are_written_as_the_official_scorer_reads_them(tokenizer):
    questions = [Question("a", "谁？", "山水", ("水",), 1)]
    predictions = [{"id": "a", "answer": "水", "start": 1, "probability": 1.0}]

    assert json.loads(KIND.to_text(questions, predictions)) == {"a": "水"}
    assert KIND.score(questions, predictions) == {"exact_match": 100.0, "f1": 100.0}


ASKED = {"id": "a", "question": "谁？", "answers": [{"text": "山", "answer_start": 0}]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], r"'data' is missing"),
        ({"data": []}, "holds no question"),
        ({"data": [{}]}, r"data\[0\]: 'paragraphs' is missing"),
        ({"data": [{"paragraphs": [{"qas": []}]}]}, r"data\[0\].paragraphs\[0\]: 'context' is missing"),
        ({"data": [{"paragraphs": [{"context": "山", "qas": [{**ASKED, "question": 3}]}]}]}, "qas.0.: 'question'"),
        ({"data": [{"paragraphs": [{"context": "山", "qas": [{**ASKED, "id": None}]}]}]}, "'id' is missing"),
        ({"data": [{"paragraphs": [{"context": "山", "qas": [{**ASKED, "answers": []}]}]}]}, "has no answer"),
        ({"data": [{"paragraphs": [{"context": "山", "qas": [ASKED, ASKED]}]}]}, "'a' stands 2 times"),
    ],
)
def test_a_file_of_another_form_is_refused_with_the_place(tmp_path, content, words):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(DataError, match=words):
        KIND.read(path)
