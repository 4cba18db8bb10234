"""A fine-tuned model on new text, and masks filled."""

import json

import pytest
from tiny_tasks import QUICK_QUESTIONS, QUICK_REVIEWS
from transformers import pipeline

from cn_bert.finetune.predict import Predictor, fill_mask
from cn_bert.finetune.run import finetune, prepare
from cn_bert.finetune.task import load_task
from corpus_tools.errors import DataError, UsageError


def quiet(text: str) -> None:
    """Takes notes and says nothing."""


@pytest.fixture(scope="module")
def classifier(encoder, reviews, tmp_path_factory):
    out = tmp_path_factory.mktemp("classifier") / "out"
    finetune(prepare(load_task("chnsenticorp", QUICK_REVIEWS), encoder, reviews, note=quiet), 1, out, quiet)
    return out


@pytest.fixture(scope="module")
def reader(encoder, questions, tmp_path_factory):
    out = tmp_path_factory.mktemp("reader") / "out"
    finetune(prepare(load_task("cmrc2018", QUICK_QUESTIONS), encoder, questions, note=quiet), 1, out, quiet)
    return out


def test_new_texts_are_labelled_as_the_test_file_was(classifier, reviews):
    written = [json.loads(line) for line in (classifier / "seed-1" / "predictions.jsonl").read_text().splitlines()]
    texts = [line.split("\t")[1] for line in (reviews / "test.tsv").read_text().splitlines()[1:]]

    found = Predictor(str(classifier)).classify([(text, None) for text in texts])

    assert [one["label"] for one in found] == [row["label"] for row in written]
    assert found[0]["probability"] == pytest.approx(written[0]["probability"], abs=1e-5)


def test_a_passage_answers_as_the_dev_file_did(reader, questions):
    written = json.loads((reader / "seed-1" / "predictions.json").read_text())
    paragraphs = json.loads((questions / "cmrc2018_dev.json").read_text())["data"][0]["paragraphs"]

    found = Predictor(str(reader / "model")).answer([("什么？", paragraph["context"]) for paragraph in paragraphs])

    assert [one["answer"] for one in found] == list(written.values())
    for one, paragraph in zip(found, paragraphs, strict=True):
        assert paragraph["context"][one["start"] :].startswith(one["answer"])


def test_the_model_folder_is_a_plain_transformers_one(classifier):
    found = pipeline("text-classification", model=str(classifier / "model"), device="cpu")("店很好")

    assert found[0]["label"] in ("negative", "positive")


def test_a_model_is_not_asked_what_it_cannot_answer(classifier, reader, encoder):
    with pytest.raises(UsageError, match="this model labels texts"):
        Predictor(str(classifier)).answer([("谁？", "山")])
    with pytest.raises(UsageError, match="this model labels single texts"):
        Predictor(str(classifier)).classify([("山", "水")])
    with pytest.raises(UsageError, match="this model answers questions"):
        Predictor(str(reader)).classify([("山", None)])
    with pytest.raises(DataError, match=r"has no task.json"):
        Predictor(encoder)


def test_fill_mask_says_what_the_pipeline_says(encoder):
    text = "这[MASK]是山[MASK]水。"

    found = fill_mask(encoder, text, top_k=3)

    expected = pipeline("fill-mask", model=encoder, device="cpu")(text, top_k=3)
    assert [[one["token"] for one in tokens] for tokens in found] == [
        [one["token_str"] for one in tokens] for tokens in expected
    ]
    assert found[1][0]["probability"] == pytest.approx(expected[1][0]["score"], abs=1e-6)


@pytest.mark.parametrize(
    ("text", "top_k", "words"),
    [
        ("山水", 5, r"the text has no \[MASK\]"),
        ("[MASK]" * 70, 5, "72 tokens, the model 64"),
        ("[MASK]", 0, "--top-k 0"),
    ],
)
def test_fill_mask_refuses_what_it_cannot_do(encoder, text, top_k, words):
    with pytest.raises(UsageError, match=words):
        fill_mask(encoder, text, top_k)


def test_a_model_without_an_mlm_head_fills_no_mask(classifier):
    with pytest.raises(DataError, match="no trained MLM head"):
        fill_mask(str(classifier), "[MASK]")
