"""A masker joins strategy and replacement, and every file of configs/masking builds one."""

import numpy as np
import pytest

from corpus_tools import configs
from corpus_tools.errors import MissingInputError, SettingsError
from corpus_tools.masking import build_masker, filled_settings, masking_settings
from corpus_tools.schema import NO_SPANS


@pytest.mark.parametrize("name", configs.names("masking"))
def test_every_config_builds_a_masker_that_draws(name, vocabulary, sequence):
    masker = build_masker(masking_settings(name), vocabulary)
    ids, flags = sequence(1)
    drawn = masker.draw(ids, flags, NO_SPANS, (1, 0, 5))

    assert np.count_nonzero(drawn.chosen) > 30
    np.testing.assert_array_equal(drawn.ids[drawn.chosen == 0], ids[drawn.chosen == 0])
    again = masker.draw(ids, flags, NO_SPANS, (1, 0, 5))
    np.testing.assert_array_equal(drawn.ids, again.ids)
    np.testing.assert_array_equal(drawn.chosen, again.chosen)


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
