"""An export is the trained model, to the bit of its weights, and a folder that transformers' own classes load."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_runs import SHAPE, SMALL
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertForPreTraining,
    ErnieForPreTraining,
    pipeline,
)

from cn_bert.cli import main
from cn_bert.config import load_recipe
from cn_bert.data.mixture import Mixture, open_mixture
from cn_bert.models import build_model
from cn_bert.training import checkpoint, snapshot
from cn_bert.training.engine import Ranks
from cn_bert.training.export import export
from cn_bert.training.log import read_log
from cn_bert.training.module import PretrainingModule
from cn_bert.training.run import Request, pretrain
from cn_bert.training.run_folder import read_recipe
from cn_bert.training.stage import Stages
from corpus_tools.errors import DiskError, UnverifiedError

POSITIONS = {"bert_wwm": 512, "ernie": 513}
PRETRAINING = {"bert_wwm": BertForPreTraining, "ernie": ErnieForPreTraining}


@pytest.fixture(scope="module", params=POSITIONS)
def recipe_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def run(recipe_name: str, shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of six steps at a rate that moves every weight."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp(recipe_name) / "run"
    changes = [*SMALL, "stages.0.steps=4", "stages.1.steps=2", "optimizer.peak_lr=0.01", "evaluate.every_steps=3"]
    if recipe_name == "ernie":
        changes += ["stages.2.steps=2", "stages.2.batch_rows=2", "schedule.warmup_steps=1", "stages.0.row_tokens=64"]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RANK", raising=False)
        pretrain(load_recipe(recipe_name, changes), Request(out, (str(shards),)))
    return out


@pytest.fixture(scope="module")
def mixture(shards: Path) -> Mixture:
    return open_mixture([(str(shards), 1.0)], 0.05)


def test_logits_are_the_training_models(run: Path, mixture: Mixture, tmp_path: Path, recipe_name: str) -> None:
    """The training model reads a packed batch, the export each sequence alone, the ordinary way."""
    recipe = read_recipe(run)
    (step,) = checkpoint.steps(run / "checkpoints")
    trained = build_model(recipe.model, mixture.vocabulary.size, mixture.vocabulary.pad_id, 0.0).eval()
    weights = snapshot.load(run / "checkpoints", step).states.weights
    assert {name for name, _ in trained.named_parameters()} == set(weights)
    trained.load_state_dict(weights, strict=False)
    trained.tie_weights()
    stages = Stages(recipe, mixture, tmp_path, torch.device("cpu"))
    (batch,) = stages[0].batches(0, 1, Ranks(0, 1, torch.device("cpu")))
    micro = batch.micro_batches[0]
    exported = PRETRAINING[recipe_name].from_pretrained(run / "export").eval()

    with torch.no_grad():
        hidden = PretrainingModule(trained, torch.float32).encode(micro)
        words = trained.cls.predictions(hidden)
        bounds = micro.layout.cu_seqlens.tolist()
        for start, end in pairwise(bounds):
            pair = trained.cls.seq_relationship(trained.base_model.pooler(hidden[None, start:end]))
            found = exported(micro.input_ids[:, start:end], token_type_ids=micro.token_type_ids[:, start:end])
            torch.testing.assert_close(found.prediction_logits[0], words[start:end], atol=1e-5, rtol=0)
            torch.testing.assert_close(found.seq_relationship_logits, pair, atol=1e-5, rtol=0)
    assert float(words.std()) > 0.1


@pytest.mark.parametrize("consumer", [AutoModelForMaskedLM, AutoModel, "pretraining"])
def test_consumers_load_it_and_miss_nothing(run: Path, recipe_name: str, consumer: type | str) -> None:
    loader = PRETRAINING[recipe_name] if consumer == "pretraining" else consumer
    model, report = loader.from_pretrained(run / "export", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["mismatched_keys"]
    unused = {key.rsplit(".", 1)[0] for key in report["unexpected_keys"]}
    assert all(key.startswith(("cls.", "bert.pooler", "ernie.pooler")) for key in unused)
    assert consumer == AutoModel or "cls.predictions.transform.dense" not in unused
    assert model.config._attn_implementation != "packed"


def test_a_trained_mlm_head_is_in_it(run: Path) -> None:
    saved = load_file(run / "export" / "model.safetensors")
    bias = saved["cls.predictions.bias"]
    assert float(bias.abs().max()) > 0
    model = AutoModelForMaskedLM.from_pretrained(run / "export")
    torch.testing.assert_close(model.cls.predictions.bias.detach(), bias)
    torch.testing.assert_close(model.get_output_embeddings().weight, model.get_input_embeddings().weight)


def test_the_pipeline_fills_a_mask(run: Path) -> None:
    fill = pipeline("fill-mask", model=str(run / "export"), device="cpu")
    answers = fill("今天天气真[MASK]。")
    assert len(answers) == 5
    assert all(answer["token_str"] for answer in answers)


def test_the_tokenizer_is_the_shards_and_knows_the_mask(run: Path, mixture: Mixture, recipe_name: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(run / "export")
    assert tokenizer.get_vocab() == mixture.vocabulary.id_of
    assert tokenizer.model_max_length == POSITIONS[recipe_name]
    assert mixture.vocabulary.mask_id in tokenizer("天气[MASK]好").input_ids
    assert tokenizer.mask_token_id == mixture.vocabulary.mask_id
    plain = mixture.vocabulary.tokenizer()
    for text in ("今天天气真好，NBA在2019年。", "Ａpple 𠀀 \U0001f600 \t臺灣", "", "㍿-3.14%"):
        assert tokenizer(text).input_ids == plain.encode(text).ids


def test_the_config_knows_nothing_of_packed_rows(run: Path, recipe_name: str) -> None:
    text = (run / "export" / "config.json").read_text()
    assert "packed" not in text
    config = json.loads(text)
    assert not config.get("auto_map")
    assert (config["attention_probs_dropout_prob"], config["hidden_dropout_prob"]) == (0.0, 0.0)
    assert config["max_position_embeddings"] == POSITIONS[recipe_name]
    assert config["architectures"] == [PRETRAINING[recipe_name].__name__]


def test_the_card_tells_the_runs_own_numbers(run: Path) -> None:
    card = (run / "export" / "README.md").read_text(encoding="utf-8")
    log = read_log(run / "log.jsonl")
    last = [line for line in log if "held_out_loss" in line][-1]
    total = read_recipe(run).total_steps
    tokens = [line["tokens"] for line in log if "loss" in line][-1]
    for row in (
        f"| steps | {total} of {total} |",
        f"| tokens seen | {tokens:,} |",
        f"| held-out loss | {last['held_out_loss']:.4f} at step {total} |",
        f"| held-out accuracy of masked tokens | {last['held_out_accuracy']:.2%} |",
        f"| the same by always guessing the commonest token | {last['unigram_accuracy']:.2%} |",
    ):
        assert row in card
    assert "pipeline_tag: fill-mask" in card


def test_an_existing_folder_is_not_overwritten(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "config.json").write_text("mine")
    assert main(["export", str(run), "--out", str(out)]) == 73
    assert "exists" in capsys.readouterr().err
    assert [path.read_text() for path in out.iterdir()] == ["mine"]


def test_export_writes_the_same_again_and_dry_run_nothing(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "model"
    assert main(["export", str(run), "--out", str(out), "--dry-run"]) == 0
    assert not out.parent.exists()
    assert main(["export", str(run), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in (run / "export").iterdir())
    assert all(path.read_bytes() == (run / "export" / path.name).read_bytes() for path in out.iterdir())
    assert [path.name for path in out.parent.iterdir()] == ["model"]


def test_a_full_disk_leaves_no_half_export(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cn_bert.training.export.replace_whole", fail)
    with pytest.raises(DiskError, match="No space left"):
        export(run, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_run_without_checkpoint_is_missing_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    for run in (tmp_path / "run", tmp_path / "nowhere"):
        assert main(["export", str(run), "--out", str(tmp_path / "out")]) == 66
        assert "no checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_of_damaged_checkpoints_exports_nothing(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-3").mkdir(parents=True)
    with pytest.raises(UnverifiedError):
        export(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_shape_is_the_recipes(run: Path) -> None:
    config = json.loads((run / "export" / "config.json").read_text())
    assert {key.split(".")[1]: config[key.split(".")[1]] for key in (change.split("=")[0] for change in SHAPE)} == {
        change.split("=")[0].split(".")[1]: int(change.split("=")[1]) for change in SHAPE
    }
