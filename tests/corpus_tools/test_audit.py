"""An audit finds what a masking does, and catches a masking that breaks its promises."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from marked_documents import CHARACTERS, MarkedDocuments, document, random_documents

from corpus_tools import configs
from corpus_tools.audit import audit
from corpus_tools.errors import DataError
from corpus_tools.masking import Drawn, build_masker, masking_settings
from corpus_tools.masking.cut import cut
from corpus_tools.schema import SPECIAL

LEVEL_OF = {"word": "words", "phrase": "phrases", "entity": "entities"}


@pytest.fixture(scope="module")
def reader():
    return random_documents(250)


@pytest.mark.parametrize("name", configs.names("masking"))
def test_every_config_keeps_its_promises(name, reader):
    found = audit(reader, build_masker(masking_settings(name), reader.vocabulary), row_tokens=128)

    # 67,000 tokens: the deviation of a drawn rate is 0.002, of a share of the 10,000 masked ones 0.004.
    assert found["mask_rate"] == pytest.approx(found["expected_rate"], abs=0.009)
    assert found["expected_rate"] == pytest.approx(0.15, abs=0.002)
    assert found["corrupted"] == pytest.approx({"mask": 0.8, "random": 0.1, "keep": 0.1}, abs=0.016)
    assert sum(found["corrupted"].values()) == pytest.approx(1)
    broken = ("partly_masked_units", "specials_masked", "changed_unchosen", "unusable_drawn")
    assert [found[promise] for promise in broken] == [0, 0, 0, 0]
    if found["level"] in LEVEL_OF:
        assert found["partly_masked"][LEVEL_OF[found["level"]]] == 0
    json.dumps(found)


def test_an_audit_is_what_counting_one_by_one_finds(reader):
    masker = build_masker({"name": "entity"}, reader.vocabulary)
    found = audit(reader, masker, row_tokens=100, seed=4, limit=3)

    n = n_tokens = n_masked = partly = 0
    lengths = {}
    for number in range(3):
        for row in cut(reader.document(number), 100, reader.vocabulary.cls_id, reader.vocabulary.sep_id):
            chosen = masker.draw(row.ids, row.flags, row.spans, (4, 0, n)).chosen
            n, n_tokens, n_masked = n + 1, n_tokens + len(row.ids), n_masked + int((chosen > 0).sum())
            for unit in set(chosen.tolist()) - {0}:
                size = str(int((masker.masking.units(row.flags, row.spans) == unit).sum()))
                partly += int((chosen == unit).sum()) != int(size)
                lengths[size] = lengths.get(size, 0) + 1
    assert (found["sequences"], found["tokens"], found["masked_tokens"]) == (n, n_tokens, n_masked)
    assert found["mask_rate"] == n_masked / n_tokens
    assert found["partly_masked_units"] == partly == 0
    assert found["masked_unit_lengths"] == lengths


def test_units_are_counted_by_level():
    words = [CHARACTERS[:2], CHARACTERS[2:5], CHARACTERS[5:6], CHARACTERS[6:10]]
    one = MarkedDocuments([document("d", words, [(1, 4, 0), (6, 8, 1)])])
    found = audit(one, build_masker({"name": "entity"}, one.vocabulary))
    assert {level: (n["units"], n["tokens"]) for level, n in found["units"].items()} == {
        "word": (4, 5),
        "phrase": (1, 2),
        "entity": (1, 3),
    }


def test_character_masking_cuts_words_and_entities(reader):
    found = audit(reader, build_masker({"name": "char"}, reader.vocabulary), limit=20)
    assert found["partly_masked_units"] == 0
    assert all(found["partly_masked"][mark] > 0 for mark in ("words", "phrases", "entities"))


def test_an_expectation_is_counted_over_tokens_that_are_not_special():
    one = MarkedDocuments([document("d", [CHARACTERS[:1]] * 20)])
    google = audit(one, build_masker({"name": "wwm"}, one.vocabulary))
    expectation = audit(one, build_masker({"name": "wwm", "budget": "expectation"}, one.vocabulary))
    assert (google["counted_tokens"], google["expected_rate"]) == (22, 3 / 22)
    assert (expectation["counted_tokens"], expectation["expected_rate"]) == (20, pytest.approx(0.15))


@dataclass(frozen=True)
class Wrong:
    """A masker that spoils what another one drew."""

    masker: object
    spoil: object

    def __getattr__(self, name):
        return getattr(self.masker, name)

    def draw(self, ids, flags, spans, key):
        drawn = self.masker.draw(ids, flags, spans, key)
        ids, chosen = drawn.ids.copy(), drawn.chosen.copy()
        self.spoil(ids, chosen, flags)
        return Drawn(ids, chosen)


def drop_a_token(ids, chosen, flags):
    units, first, sizes = np.unique(chosen, return_index=True, return_counts=True)
    chosen[first[(units > 0) & (sizes > 1)][:1]] = 0


def mask_a_special(ids, chosen, flags):
    chosen[0], ids[0] = 99, 4


def change_an_unchosen(ids, chosen, flags):
    ids[np.flatnonzero((chosen == 0) & (flags != SPECIAL))[0]] = 10


def draw_from_all(ids, chosen, flags):
    ids[np.flatnonzero(chosen)[0]] = 5  # [unused1]


@pytest.mark.parametrize(
    ("spoil", "promise"),
    [
        (drop_a_token, "partly_masked_units"),
        (mask_a_special, "specials_masked"),
        (change_an_unchosen, "changed_unchosen"),
        (draw_from_all, "unusable_drawn"),
    ],
)
def test_a_broken_promise_is_found(spoil, promise, reader):
    right = build_masker({"name": "wwm"}, reader.vocabulary)
    assert audit(reader, right, limit=5)[promise] == 0
    assert audit(reader, Wrong(right, spoil), limit=5)[promise] >= 5


def test_a_wrong_budget_shows_in_the_rate(reader):
    right = build_masker({"name": "wwm"}, reader.vocabulary)
    greedy = Wrong(right, lambda ids, chosen, flags: chosen.__setitem__(slice(1, -1), 1))
    found = audit(reader, replace(greedy), limit=5)
    assert found["mask_rate"] > 0.9 > found["expected_rate"]


def test_nothing_to_audit_is_said():
    empty = MarkedDocuments([])
    with pytest.raises(DataError, match="no documents to audit"):
        audit(empty, build_masker({"name": "wwm"}, empty.vocabulary))
