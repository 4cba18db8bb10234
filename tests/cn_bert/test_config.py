"""Recipes: composition, provenance, and errors that name place and remedy."""

from __future__ import annotations

import pytest

from cn_bert.config import flatten, load_recipe
from cn_bert.training.run_folder import fill_recipe
from corpus_tools import configs
from corpus_tools.errors import MissingInputError, SettingsError


@pytest.mark.parametrize("name", configs.names("recipes"))
@pytest.mark.parametrize("size", ["tiny", "small", "base", "large"])
def test_every_recipe_loads_at_every_size(name: str, size: str) -> None:
    recipe = load_recipe(name, [f"model={size}"]).recipe
    assert recipe.model.hidden_size == configs.load("model", size)["model"]["hidden_size"]


def test_bert_wwm_has_the_published_steps_and_rows() -> None:
    recipe = load_recipe("bert_wwm").recipe
    assert [(s.steps, s.row_tokens, s.batch_rows) for s in recipe.stages] == [(100_000, 128, 2560), (100_000, 512, 384)]
    assert recipe.optimizer.name == "lamb"
    assert recipe.peak_lr(recipe.stages[0]) == pytest.approx(1.25e-3 * (2560 / 2048) ** 0.5)


@pytest.mark.parametrize("change", ["optimizer.name=adamw", "schedule=muon"])
def test_an_optimizer_brings_its_own_rate(change: str) -> None:
    recipe = load_recipe("bert_wwm", [change]).recipe
    assert [recipe.peak_lr(stage) for stage in recipe.stages] == [1e-4, 1e-4]


def test_ernie_is_three_stages_of_characters_phrases_and_entities() -> None:
    recipe = load_recipe("ernie").recipe
    assert [recipe.stage_masking(stage)["name"] for stage in recipe.stages] == ["char", "phrase", "entity"]
    assert {recipe.stage_masking(stage)["budget"] for stage in recipe.stages} == {"expectation"}
    assert (recipe.model.hidden_act, recipe.model.max_position_embeddings) == ("relu", 513)


def test_each_leaf_knows_the_file_it_came_from() -> None:
    loaded = load_recipe("bert_wwm", ["masking.rate=0.2", "stages.1.steps=7"])
    assert loaded.origin["model.hidden_size"] == "configs/model/base.yaml"
    assert loaded.origin["masking.name"] == "configs/masking/wwm.yaml"
    assert loaded.origin["stages.0.steps"] == "configs/recipes/bert_wwm.yaml"
    assert loaded.origin["stages.1.steps"] == loaded.origin["masking.rate"] == "--set"
    assert loaded.recipe.stages[1].steps == 7


def test_a_recipe_of_ones_own_is_a_path(tmp_path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text(
        "use: {model: tiny, sequences: nsp_pairs, masking: char, schedule: adamw}\n"
        "objectives: [{name: mlm}]\nstages: [{steps: 5, row_tokens: 64, batch_rows: 4}]\n"
    )
    assert load_recipe(str(own)).recipe.total_steps == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("masking.rat=0.2", "rat"),
        ("optimizer.nam=lamb", "--set: optimizer.nam: no such setting. Did you mean 'name'?"),
        ("stages.0.stepz=3", "--set: stages.0.stepz: no such setting. Did you mean 'steps'?"),
        ("seed=yes", "--set: seed: "),
        ("stages.0.steps=1.5", "--set: stages.0.steps: "),
        ("stages.9.steps=1", "'9' is not one of the numbers 0 to 1"),
        ("optimizer.name.x=1", "--set optimizer.name: this is a single value"),
        ("model=hugh", "'hugh' is not known."),
        ("use.modle=tiny", "use.modle: no such axis. Did you mean 'model'?"),
        ("noequals", "expected KEY=VALUE"),
        ("stages.0.row_tokens=1024", "1024 is more than the model's 512 positions"),
        ("model.num_attention_heads=7", "does not divide into 7 heads"),
        ("objectives=[{name: mlm}, {name: mlm}]", "an objective stands twice"),
        ("stages.0.objectives=[{name: mlm}, {name: mlm}]", "an objective stands twice"),
    ],
)
def test_a_wrong_setting_names_place_and_remedy(change: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        fill_recipe(load_recipe("bert_wwm", [change]).recipe)
    assert message in str(caught.value)
    assert caught.value.exit_code == 64


def test_a_number_that_yaml_takes_for_text_is_explained(tmp_path) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text(
        "use: {model: tiny, sequences: nsp_pairs, masking: char, schedule: adamw}\noptimizer: {peak_lr: 1e-4}\n"
        "objectives: [{name: mlm}]\nstages: [{steps: 5, row_tokens: 64, batch_rows: 4}]\n"
    )
    with pytest.raises(SettingsError, match=r"mine.yaml: optimizer.peak_lr is the text '1e-4'. .* write 1.0e-4"):
        load_recipe(str(own))


def test_on_the_command_line_that_number_is_a_number() -> None:
    assert load_recipe("bert_wwm", ["optimizer.peak_lr=3e-4"]).recipe.optimizer.peak_lr == 3e-4


def test_a_masking_rate_of_the_command_line_reaches_stages_with_a_masking_of_their_own() -> None:
    recipe = load_recipe("ernie", ["masking.rate=0.3"]).recipe
    assert {recipe.stage_masking(stage)["rate"] for stage in recipe.stages} == {0.3}


def test_a_masking_of_the_command_line_replaces_those_of_the_stages() -> None:
    recipe = load_recipe("ernie", ["masking=wwm", "masking.rate=0.2"]).recipe
    assert {(recipe.stage_masking(s)["name"], recipe.stage_masking(s)["rate"]) for s in recipe.stages} == {("wwm", 0.2)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "stands twice"),
        ("a: &x [1]\nb: *x\n", "alias"),
        ("- 1\n", "expected 'key: value' lines"),
        ("a: [\n", "not valid YAML"),
        ("a: !!python/object:os.system x\n", "not valid YAML"),
    ],
)
def test_yaml_that_is_no_recipe_is_refused(tmp_path, text: str, message: str) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load_recipe(str(own))


def test_a_missing_recipe_file_is_missing_input() -> None:
    with pytest.raises(MissingInputError, match=r"nowhere\.yaml"):
        load_recipe("nowhere.yaml")


def test_flatten_lists_every_leaf() -> None:
    assert flatten({"a": {"b": 1}, "c": [{"d": 2}], "e": [1, 2]}) == {"a.b": 1, "c.0.d": 2, "e": [1, 2]}
