"""The page of a run: what its log draws, what its guesses look like, and that no text of a stranger acts in it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from marked_guesses import FIRST, KINDS, VOCABULARY, draw_guesses

from cn_bert.config import load_recipe
from cn_bert.report.curves import curves
from cn_bert.report.page import Held, run_page
from cn_bert.report.preview import MOST_SEQUENCES, MOST_TOKENS, preview
from cn_bert.report.tally import by_kind, by_word_length
from corpus_tools.encode.vocabulary import SPECIALS, Vocabulary

MACHINE = {"machine": "a <b>fast</b> one", "ranks": 2, "precision": "bf16", "peak_flops": 2e12, "peak_measured": True}
START = {**MACHINE, "versions": {"torch": "2.13"}}
LOG = [
    START,
    {"step": 0, "held_out_loss": 9.5, "held_out_accuracy": 0.0, "unigram_accuracy": 0.02},
    *(
        {"step": n, "loss": 9 - n, "mlm_loss": 8 - n, "mlm_accuracy": n / 9, "nsp_loss": 0.7, "nsp_accuracy": 0.5}
        | {"tokens": 100 * n, "tokens_per_second": 50.0, "mfu": 0.4, "lr": 1e-4}
        for n in range(1, 5)
    ),
    {"resumed_from": 2, "ranks": 2},
    START,
    {"step": 4, "held_out_loss": 5.25, "held_out_accuracy": 0.125, "unigram_accuracy": 0.02},
]
RECIPE = load_recipe("bert_wwm", ["data=[{path: 'shards/<i>'}]"]).recipe


def held(guesses=None) -> Held:
    guesses = guesses or draw_guesses(3)
    return Held(guesses, VOCABULARY, by_word_length(guesses), by_kind(guesses, KINDS))


def test_every_objective_has_its_curves_and_resumes_are_marked() -> None:
    sections = curves(LOG)
    assert [section.title for section in sections] == [
        "Masked tokens",
        "Next sentence",
        "Loss of all objectives",
        "Learning rate",
        "Speed",
    ]
    assert all("resumed after 2" in "".join(map(str, section.parts)) for section in sections)


def test_a_run_of_one_objective_without_held_out_text_has_its_curves() -> None:
    log = [{k: v for k, v in line.items() if "nsp" not in k} for line in LOG if "held_out_loss" not in line]
    text = run_page("r", RECIPE, "", log, "no shards")
    assert "Next sentence" not in text
    assert "held-out loss" not in text
    assert "Nothing here: no shards." in text


def test_a_page_says_what_the_run_is_and_runs_nothing() -> None:
    text = run_page("<script>alert(1)</script>", RECIPE, "seed: 0 # <u>", LOG, held())
    for said in (
        "Step 4 of 200,000, 400 tokens.",
        "2 TFLOP/s (measured)",
        "5.2500 nats at step 4",
        "12.5%",
        "model of step 4 on 5",
    ):
        assert said in text
    assert "<script" not in text
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert "a &lt;b&gt;fast" in text
    assert "shards/&lt;i&gt;" in text
    assert not re.search(r"https?://|src=|url\(", text)


def test_a_run_that_has_reported_nothing_has_a_page() -> None:
    text = run_page("r", RECIPE, "", [], "no checkpoint and no export yet")
    assert "No step of 200,000 has been reported yet." in text


def test_guesses_stand_under_what_was_to_be_told_with_a_sign() -> None:
    guesses = draw_guesses(5, n_sequences=3, n_tokens=30)
    text = "".join(map(str, preview(guesses, VOCABULARY).parts[1:]))
    assert text.count("<ruby>") == len(guesses.positions)
    assert text.count("✓") == text.count('class="right"') == int(guesses.right.sum())
    assert text.count("✗") == text.count('class="wrong"') == int((~guesses.right).sum())
    seen, own = guesses.seen[guesses.positions], guesses.text.ids[guesses.positions]
    masked = seen == VOCABULARY.mask_id
    assert text.count('class="seen mask"') == int(masked.sum())
    assert text.count('class="seen keep"') == int((~masked & (seen == own)).sum())


def test_a_token_that_was_replaced_is_shown_struck() -> None:
    guesses = draw_guesses(6)
    seen = guesses.seen.copy()
    seen[guesses.positions] = FIRST + (guesses.text.ids[guesses.positions] - FIRST + 1) % 8
    text = "".join(map(str, preview(replace(guesses, seen=seen), VOCABULARY).parts[1:]))
    assert text.count('<span class="seen random"><s>') == text.count("<ruby>")


def test_long_and_many_sequences_are_cut() -> None:
    section = preview(draw_guesses(1, n_sequences=40, n_tokens=2 * MOST_TOKENS), VOCABULARY)
    assert len(section.parts) == 1 + MOST_SEQUENCES
    assert all(str(part).endswith(" …</p>") for part in section.parts[1:])


@pytest.mark.parametrize("hostile", ["<img src=x>", "\u202e", "\x1b[31m", "</ruby>"])
def test_tokens_of_a_stranger_are_shown_and_not_obeyed(hostile: str) -> None:
    vocabulary = Vocabulary([*SPECIALS, hostile])
    guesses = draw_guesses(2)
    ids = np.minimum(guesses.text.ids, FIRST)
    strange = replace(
        guesses,
        text=replace(guesses.text, ids=ids),
        seen=np.minimum(guesses.seen, FIRST),
        guessed=np.full_like(guesses.guessed, FIRST),
    )
    text = "".join(map(str, preview(strange, vocabulary).parts[1:]))
    assert text.count(hostile) == (text.count("<ruby>") if hostile == "</ruby>" else 0)
