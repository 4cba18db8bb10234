"""Task files small and plain enough for a tiny encoder to learn in seconds."""

import json
import random
from pathlib import Path

QUICK_REVIEWS = ["max_tokens=16", "learning_rate=3e-3", "epochs=4", "batch_size=16", "precision=fp32"]
QUICK_QUESTIONS = [
    *("max_tokens=40", "max_question_tokens=4", "stride=16", "max_answer_tokens=6"),
    *("learning_rate=3e-3", "epochs=6", "batch_size=16", "precision=fp32"),
]


def review(draw: random.Random) -> tuple[str, str]:
    """A label and a text that holds the one character which decides it."""
    label = draw.choice("01")
    text = draw.choices("店房书很真的这里人山水", k=draw.randint(3, 9))
    text.insert(draw.randint(0, len(text)), "坏好"[int(label)])
    return label, "".join(text)


def write_reviews(path: Path, count: int, seed: int) -> None:
    draw = random.Random(seed)
    rows = ["label\ttext_a", *("\t".join(review(draw)) for _ in range(count))]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def passage(draw: random.Random) -> tuple[str, str, int]:
    """A passage, its answer (what stands from 金 to 木), and where that begins."""
    before, inside, after = (
        draw.choices("店房书很真的这里人山水", k=draw.randint(*n)) for n in ((0, 20), (0, 2), (3, 20))
    )
    answer = f"金{''.join(inside)}木"
    return "".join([*before, answer, *after]), answer, len(before)


def write_questions(path: Path, count: int, seed: int) -> None:
    draw = random.Random(seed)
    paragraphs = []
    for number in range(count):
        context, answer, start = passage(draw)
        asked = {"id": f"Q{number}", "question": "什么？", "answers": [{"text": answer, "answer_start": start}]}
        paragraphs.append({"context": context, "qas": [asked]})
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}, ensure_ascii=False), encoding="utf-8")
