"""Texts and labels as features, and logits as labels."""

import json

import numpy as np
import pytest

from cn_bert.finetune.classification import Classification, LabelledText
from cn_bert.finetune.task import load_task
from corpus_tools.errors import DataError

KIND = Classification(load_task("chnsenticorp", ["max_tokens=12"]))
PAIRS = Classification(load_task("chnsenticorp", ["max_tokens=12", "text_pair=text_b"]))


def test_a_text_becomes_what_the_tokenizer_makes_of_it(tokenizer):
    features, counts = KIND.training_features([LabelledText("好店abc", None, "1")], tokenizer)

    assert features[0]["input_ids"].tolist() == tokenizer("好店abc")["input_ids"]
    assert features[0]["labels"] == 1
    assert counts == {"examples": 1, "cut_at_max_tokens": 0}


def test_a_special_token_in_a_text_is_text(tokenizer):
    features, _ = KIND.training_features([LabelledText("好[SEP]", None, "0")], tokenizer)

    assert features[0]["input_ids"].tolist().count(tokenizer.sep_token_id) == 1


def test_the_longer_text_of_a_pair_is_cut_first_and_counted(tokenizer):
    features, counts = PAIRS.training_features([LabelledText("山水", "好" * 30, "0")], tokenizer)

    assert tokenizer.decode(features[0]["input_ids"]) == "[CLS] 山 水 [SEP] " + "好 " * 7 + "[SEP]"
    assert features[0]["token_type_ids"].tolist() == [0] * 4 + [1] * 8
    assert counts["cut_at_max_tokens"] == 1


def test_a_prediction_has_the_files_label_its_name_and_its_probability(tokenizer):
    def run(features):
        return [{"logits": np.array([0.0, np.log(3)], np.float32)} for _ in features]

    found = KIND.predict([LabelledText("好")], tokenizer, run)

    assert found == [{"label": "1", "name": "positive", "probability": pytest.approx(0.75)}]


def test_predictions_are_written_a_line_each():
    examples = [LabelledText("好", None, "1"), LabelledText("坏", None, "0")]
    predictions = [{"label": "1", "name": "positive", "probability": 0.9}] * 2

    lines = [json.loads(line) for line in KIND.to_text(examples, predictions).splitlines()]

    assert [line["gold"] for line in lines] == ["1", "0"]
    assert KIND.score(examples, predictions) == {"accuracy": 0.5}
    assert KIND.baseline(examples) == {"majority_accuracy": 0.5}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("label\ttext_a\n2\t好\n", r"dev.tsv:2: the label '2' is not one of 0, 1"),
        ("label\ttext\n1\t好\n", r"dev.tsv:2: there is no 'text_a', only label, text"),
        ("label\ttext_a\n", "holds no example"),
        ("", "holds no example"),
    ],
)
def test_a_file_that_does_not_fit_the_task_is_refused_with_the_line(tmp_path, content, words):
    path = tmp_path / "dev.tsv"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(DataError, match=words):
        KIND.read(path)


def test_whole_numbers_are_labels_in_json_and_lists_are_not(tmp_path):
    path = tmp_path / "dev.json"
    path.write_text('{"label": 1, "text_a": "好"}\n', encoding="utf-8")
    assert KIND.read(path) == [LabelledText("好", None, "1")]

    path.write_text('{"label": [1], "text_a": "好"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="neither text nor a whole number"):
        KIND.read(path)
