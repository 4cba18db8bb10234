"""Begin from a checkpoint: its own loss at the first step, and refusals that say what to do."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from small_runs import SMALL, losses
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertForPreTraining, BertModel

from cn_bert.config import load_recipe
from cn_bert.models.start import load_start
from cn_bert.training.export import export
from cn_bert.training.log import read_log
from cn_bert.training.run import Request, pretrain
from corpus_tools.encode.vocabulary import Vocabulary, load_vocabulary
from corpus_tools.errors import DataError, MissingInputError, RefusedError, SettingsError

ONE_STEP = ("stages.0.steps=1", "stages.1.steps=1", "stages.0.batch_rows=4")


@pytest.fixture(scope="module")
def old(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learned something."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("old") / "run"
    changes = [*SMALL, "stages.0.steps=30", "stages.1.steps=1", "optimizer.peak_lr=0.01", "evaluate.max_rows=8"]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RANK", raising=False)
        pretrain(load_recipe("bert_wwm", changes), Request(out, (str(shards),)))
    return out


@pytest.fixture
def model(old: Path, tmp_path: Path) -> Path:
    """A copy of the export, to be spoiled."""
    shutil.copytree(old / "export", tmp_path / "model")
    return tmp_path / "model"


def held_out(out: Path) -> list[dict]:
    return [line for line in read_log(out / "log.jsonl") if "held_out_loss" in line]


def test_the_first_loss_is_the_old_models(run_here, old: Path, tmp_path: Path) -> None:
    """Nothing was learned between: what is scored before the first step is what was scored after the old run's last."""
    log = run_here(
        tmp_path / "new", *ONE_STEP, f"start_from={old / 'export'}", "evaluate.max_rows=8", "stages.0.row_tokens=128"
    )
    # The old run's last scores are of its last stage, in rows of 128 tokens as here.
    assert held_out(tmp_path / "new")[0]["held_out_loss"] == pytest.approx(held_out(old)[-1]["held_out_loss"], rel=1e-5)
    assert log[0]["mlm_loss"] < math.log(2500) - 0.5


def test_a_started_run_goes_on_without_its_start(run_here, model: Path, tmp_path: Path) -> None:
    changes = ("stages.0.steps=3", "stages.1.steps=1", f"start_from={model}")
    run_here(tmp_path / "run", *changes, max_steps=2)
    shutil.rmtree(model)
    assert [line["step"] for line in run_here(tmp_path / "run", *changes)] == [1, 2, 3, 4]


def test_a_start_without_mlm_head_is_told(
    run_here, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    BertModel.from_pretrained(model).save_pretrained(tmp_path / "encoder")
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path / "encoder")
    run_here(tmp_path / "run", *ONE_STEP, f"start_from={tmp_path / 'encoder'}", "evaluate.max_rows=1")
    assert "has no trained MLM head; it starts from random weights" in capsys.readouterr().err


def load(
    source: Path | str, *changes: str, vocabulary: Vocabulary | None = None
) -> tuple[BertForPreTraining, list[str]]:
    told: list[str] = []
    recipe = load_recipe("bert_wwm", [*SMALL, *changes]).recipe
    made_with = vocabulary or load_vocabulary(source)
    return load_start(str(source), recipe.model, made_with, 0.25, told.append), told


def test_a_whole_start_needs_no_word(old: Path, model: Path, tmp_path: Path) -> None:
    loaded, told = load(model)
    assert told == []
    assert (loaded.config.hidden_dropout_prob, loaded.config.attention_probs_dropout_prob) == (0.25, 0.0)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    expected = BertForPreTraining.from_pretrained(old / "export").state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in loaded.state_dict().items())


def test_a_half_precision_start_is_trained_in_fp32(model: Path) -> None:
    BertForPreTraining.from_pretrained(model, dtype=torch.bfloat16).save_pretrained(model)
    loaded, _ = load(model)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_a_published_mlm_without_pair_head_is_silent_about_it(model: Path, tmp_path: Path) -> None:
    """BERT-wwm's own hub files are masked language models; the pair head starts at random and no MLM head is missed."""
    BertForMaskedLM.from_pretrained(model).save_pretrained(tmp_path / "mlm")
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path / "mlm")
    _, told = load(tmp_path / "mlm")
    assert not any("MLM head" in text for text in told)


def test_another_tokenizer_is_refused(model: Path) -> None:
    known = load_vocabulary(model)
    swapped = Vocabulary([*known.tokens[:-2], known.tokens[-1], known.tokens[-2]])
    with pytest.raises(RefusedError, match="is not the one the shards were made with") as caught:
        load(model, vocabulary=swapped)
    assert caught.value.exit_code == 77
    assert f"--vocab {model}" in str(caught.value)


@pytest.mark.parametrize("lower_case", [True, False])
def test_a_tokenizer_that_treats_case_otherwise_is_refused(model: Path, lower_case: bool) -> None:
    """The same entries, and other ids for every text with a capital letter."""
    entries = load_vocabulary(model).tokens
    Vocabulary(entries, lower_case).save(model)
    assert load(model, vocabulary=Vocabulary(entries, lower_case))
    with pytest.raises(RefusedError, match="lower-cases text") as caught:
        load(model, vocabulary=Vocabulary(entries, not lower_case))
    said = str(caught.value)
    assert (said.index(str(model)) < said.index("lower-cases")) == lower_case
    assert caught.value.exit_code == 77


def test_a_tokenizer_that_splits_text_otherwise_is_refused(model: Path) -> None:
    settings = json.loads((model / "tokenizer_config.json").read_text())
    (model / "tokenizer_config.json").write_text(json.dumps({**settings, "strip_accents": False}))
    vocabulary = Vocabulary(load_vocabulary(model / "vocab.txt").tokens)
    with pytest.raises(DataError, match="strip_accents is False and do_lower_case is True"):
        load(model, vocabulary=vocabulary)


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ("model.hidden_size=64", "--set model.hidden_size=32"),
        ("model.num_hidden_layers=3", "--set model.num_hidden_layers=2"),
        ("model.hidden_act=relu", "--set model.hidden_act=gelu"),
        ("model.max_position_embeddings=300", "--set model.max_position_embeddings=512"),
        ("model.family=ernie", "is a bert, the recipe's model.family ernie"),
    ],
)
def test_another_shape_is_refused_with_the_remedy(model: Path, change: str, remedy: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(model, change)
    assert remedy in str(caught.value)
    assert caught.value.exit_code == 64


def test_a_refused_start_leaves_the_folder_free_for_the_remedy(run_here, model: Path, tmp_path: Path) -> None:
    start = (*ONE_STEP, f"start_from={model}", "evaluate.max_rows=1")
    with pytest.raises(SettingsError, match=r"Add --set model\.hidden_size=32"):
        run_here(tmp_path / "run", *start, "model.hidden_size=64")
    assert run_here(tmp_path / "run", *start, "model.hidden_size=32")


def test_a_missing_start_is_missing_input(model: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="nowhere cannot be loaded") as caught:
        load(tmp_path / "nowhere", vocabulary=load_vocabulary(model))
    assert caught.value.exit_code == 66
    (model / "model.safetensors").unlink()
    with pytest.raises(MissingInputError, match="has no weights"):
        load(model)


@pytest.mark.parametrize("n_bytes", [0, 5, 1000])
def test_a_damaged_start_is_told(model: Path, n_bytes: int) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:n_bytes])
    with pytest.raises(DataError, match="are damaged") as caught:
        load(model)
    assert caught.value.exit_code == 65


def test_an_export_started_from_an_export_says_so(run_here, model: Path, tmp_path: Path) -> None:
    run_here(tmp_path / "run", *ONE_STEP, f"start_from={model}", "evaluate.max_rows=1")
    export(tmp_path / "run", tmp_path / "out")
    assert f"| started from | {model} |" in (tmp_path / "out" / "README.md").read_text()
    assert json.loads((tmp_path / "out" / "config.json").read_text())["hidden_size"] == 32
    assert BertConfig.from_pretrained(tmp_path / "out").model_type == "bert"
    assert losses(tmp_path / "run")
