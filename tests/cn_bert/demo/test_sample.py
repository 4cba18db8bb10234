"""The sample that ships with the package is what the demo says it is."""

from __future__ import annotations

import csv
import json
from importlib.resources import files
from pathlib import Path

SAMPLE = Path(str(files("cn_bert") / "demo" / "sample"))


def documents() -> dict[str, dict]:
    lines = (SAMPLE / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    return {found["id"]: found for found in map(json.loads, lines)}


def test_there_are_enough_documents_and_none_stands_twice() -> None:
    found = documents()
    assert len(found) >= 120
    assert len({one["text"] for one in found.values()}) == len(found)
    assert all(200 <= len(one["text"]) <= 450 for one in found.values())


def test_every_entity_occurs_in_the_documents() -> None:
    text = "\n".join(one["text"] for one in documents().values())
    entities = [line for path in (SAMPLE / "entities").glob("*.txt") for line in path.read_text("utf-8").splitlines()]
    assert len(entities) == len(set(entities)) >= 400
    assert [entity for entity in entities if entity not in text] == []


def test_every_answer_stands_in_its_document_where_it_says() -> None:
    found, n_questions = documents(), 0
    for path in (SAMPLE / "questions").glob("*.json"):
        for article in json.loads(path.read_text("utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                assert paragraph["context"] == found[paragraph["id"]]["text"]
                for question in paragraph["qas"]:
                    n_questions += 1
                    for answer in question["answers"]:
                        start = answer["answer_start"]
                        assert paragraph["context"][start : start + len(answer["text"])] == answer["text"]
    assert n_questions >= 100


def test_no_document_has_questions_in_both_splits() -> None:
    splits = []
    for name in ("train", "dev"):
        data = json.loads((SAMPLE / "questions" / f"cmrc2018_{name}.json").read_text("utf-8"))["data"]
        splits.append({article["id"] for article in data})
    assert not splits[0] & splits[1]


def test_reviews_are_balanced_and_no_review_stands_twice() -> None:
    texts: list[str] = []
    for name in ("train", "dev", "test"):
        with (SAMPLE / "reviews" / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        labels = [row["label"] for row in rows]
        assert labels.count("0") == labels.count("1")
        texts += [row["text_a"] for row in rows]
    assert len(texts) == len(set(texts)) >= 300
