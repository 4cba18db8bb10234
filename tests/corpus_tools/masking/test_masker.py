"""A masker joins strategy and replacement, and every file of configs/masking builds one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_budgets import spend_budget_one_by_one

from corpus_tools import configs
from corpus_tools.draw import integers, uniforms
from corpus_tools.errors import MissingInputError, SettingsError
from corpus_tools.masking import build_masker, filled_settings, masking_settings
from corpus_tools.masking.masker import CORRUPT, IGNORED, SELECT
from corpus_tools.schema import NO_SPANS, SPECIAL


@pytest.mark.parametrize("name", configs.names("masking"))
def test_every_config_builds_a_masker_that_draws(name, vocabulary, sequence):
    masker = build_masker(masking_settings(name), vocabulary)
    ids, flags = sequence(1)
    drawn = masker.draw(ids, flags, NO_SPANS, (1, 0, 5))

    assert np.count_nonzero(drawn.chosen) > 30
    np.testing.assert_array_equal(drawn.ids[drawn.chosen == 0], ids[drawn.chosen == 0])
    labels = [int(token) if unit else IGNORED for token, unit in zip(ids, drawn.chosen, strict=True)]
    assert drawn.labels(ids).tolist() == labels
    again = masker.draw(ids, flags, NO_SPANS, (1, 0, 5))
    np.testing.assert_array_equal(drawn.ids, again.ids)
    np.testing.assert_array_equal(drawn.chosen, again.chosen)


def draw_slowly(masker, ids, flags, key):
    """The same mask by numpy, unit by unit and token by token."""
    masking, corruption = masker.masking, masker.corruption
    units = masking.units(flags, NO_SPANS)
    sizes = np.bincount(units, minlength=1)[1:]
    picked = np.zeros(len(sizes) + 1, bool)
    if masking.budget == "google":
        budget = max(1, round(len(flags) * masking.rate))
        budget = min(budget, masking.max_predictions or budget)
        picked[1:] = spend_budget_one_by_one(sizes, budget, (*key, SELECT))
    else:
        picked[1:] = uniforms((*key, SELECT), len(sizes)) < masking.rate
    chosen = units * picked[units]
    places = np.flatnonzero(chosen)
    decisions = uniforms((*key, CORRUPT, 0), len(places))
    if corruption.per == "unit":
        decisions = decisions[np.unique(chosen[places], return_inverse=True)[1]]
    drawn = masker.pool[integers((*key, CORRUPT, 1), len(places), len(masker.pool))]
    seen = ids.copy()
    for place, decision, random in zip(places, decisions, drawn, strict=True):
        if decision < corruption.mask:
            seen[place] = masker.mask_id
        elif decision < corruption.mask + corruption.random:
            seen[place] = random
    return seen, chosen


@pytest.mark.parametrize("name", configs.names("masking"))
@pytest.mark.parametrize("per", ["token", "unit"])
def test_masks_are_those_of_the_slow_twin_whatever_lies_beside(name, per, vocabulary, sequence):
    settings = masking_settings(name)
    masker = build_masker(settings | {"corruption": {**(settings.get("corruption") or {}), "per": per}}, vocabulary)
    rows = [sequence(number, length) for number, length in enumerate([512, 3, 128, 7, 512, 40, 300])]
    keys = [(5, number % 2, 1000 - number) for number in range(len(rows))]
    bounds = np.cumsum([0, *(len(ids) for ids, _ in rows)])
    all_ids, all_flags = (np.concatenate(column) for column in zip(*rows, strict=True))

    together = masker.draw_all(all_ids, all_flags, bounds, NO_SPANS, np.array(keys))

    for (ids, flags), key, start, end in zip(rows, keys, bounds, bounds[1:], strict=False):
        alone = masker.draw(ids, flags, NO_SPANS, key)
        seen, chosen = draw_slowly(masker, ids, flags, key)
        np.testing.assert_array_equal(alone.ids, seen)
        np.testing.assert_array_equal(alone.chosen, chosen)
        np.testing.assert_array_equal(together.ids[start:end], seen)
        np.testing.assert_array_equal(together.chosen[start:end], chosen)


@pytest.fixture(scope="module", params=configs.names("masking"))
def masker(request, vocabulary):
    return build_masker(masking_settings(request.param), vocabulary)


@given(
    flags=st.lists(st.integers(0, SPECIAL - 1) | st.integers(0, 255), min_size=1, max_size=80),
    key=st.tuples(*[st.integers(0, 1 << 32)] * 3),
)
def test_a_mask_of_any_flags_is_whole_units_within_the_budget_and_can_be_undone(masker, flags, key):
    flags = np.array(flags, np.uint8)
    ids = np.where(flags & SPECIAL, 101, 104 + np.arange(len(flags))).astype(np.uint16)

    drawn = masker.draw(ids, flags, NO_SPANS, key)

    masked = drawn.chosen > 0
    units = masker.masking.units(flags, NO_SPANS)
    assert not masked[flags & SPECIAL != 0].any()
    left_out = units[~masked & (units > 0)]
    assert not set(units[masked]) & set(left_out)
    if masker.masking.budget == "google":
        n_left = masker.masking.expected(flags) - np.count_nonzero(masked)
        assert n_left >= 0
        assert all(np.count_nonzero(left_out == unit) > n_left for unit in set(left_out))
    labels = drawn.labels(ids)
    assert np.where(labels == IGNORED, drawn.ids, labels).tolist() == ids.tolist()


def test_the_configs_are_the_ones_of_the_contract():
    wanted = {"char", "wwm", "phrase", "entity", "ernie_char", "ernie_phrase", "ernie_entity"}
    assert wanted <= set(configs.names("masking"))


@pytest.mark.parametrize("place", range(3))
def test_seed_epoch_and_number_each_change_the_mask(place, vocabulary, sequence):
    masker = build_masker({"name": "wwm"}, vocabulary)
    ids, flags = sequence(1)
    key = [1, 1, 1]
    before = masker.draw(ids, flags, NO_SPANS, tuple(key))
    key[place] = 2
    after = masker.draw(ids, flags, NO_SPANS, tuple(key))
    assert (before.chosen != after.chosen).any()


def test_replacement_does_not_follow_the_order_in_which_units_were_chosen(vocabulary, sequence):
    """Were both draws from one stream, early places of the shuffle would tend to one outcome."""
    masker = build_masker({"name": "char"}, vocabulary)
    ids, flags = sequence(2)
    first = [masker.draw(ids, flags, NO_SPANS, (3, 0, n)) for n in range(400)]
    masked = [drawn.ids[np.flatnonzero(drawn.chosen)[0]] == 103 for drawn in first]
    assert np.mean(masked) == pytest.approx(0.8, abs=0.08)  # 4 deviations


def test_filled_settings_write_out_every_default_and_build_the_same():
    filled = filled_settings({"name": "wwm", "rate": 0.2})
    assert filled == {
        "name": "wwm",
        "rate": 0.2,
        "budget": "google",
        "max_predictions": None,
        "corruption": {"mask": 0.8, "random": 0.1, "keep": 0.1, "per": "token", "random_from": "usable"},
    }
    assert filled_settings(filled) == filled


def test_settings_are_read_from_a_file_of_the_user(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("masking: {name: wwm, rate: 0.3}\n", encoding="utf-8")
    assert masking_settings(str(path)) == {"name": "wwm", "rate": 0.3}
    path.write_text("name: wwm\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="expected the one key 'masking'"):
        masking_settings(str(path))
    with pytest.raises(MissingInputError):
        masking_settings(str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "wwm", "corruption": 0.8}, "masking.corruption: 0.8 is not a mapping"),
        ({"name": "wwm", "corruption": {"maks": 1}}, "masking.corruption.maks: mask has no such setting"),
        ({"name": "wwm", "corruption": {"name": "similar"}}, "masking.corruption: 'similar' is not known"),
    ],
)
def test_a_wrong_corruption_is_named(settings, message, vocabulary):
    with pytest.raises(SettingsError, match=message):
        build_masker(settings, vocabulary)
