"""What a run does at its edges: objectives without a pair, stages that differ in them, checkpoints and signals."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForPreTraining, ErnieConfig, ErnieForPreTraining

from cn_bert.config import ModelSettings, OptimizerSettings, load_recipe
from cn_bert.models.start import load_start
from cn_bert.training import run
from cn_bert.training.engine import Ranks
from cn_bert.training.export import export
from cn_bert.training.log import RunLog
from cn_bert.training.optim import build_optimizer
from cn_bert.training.run import Request, Run, settle
from cn_bert.training.run_folder import read_recipe
from corpus_tools.encode.vocabulary import SPECIALS, Vocabulary, load_vocabulary
from corpus_tools.errors import DiskError, OutputError, SettingsError


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_heads_that_no_objective_reads_do_not_stop_a_resume(run_here, tmp_path: Path, stage: int) -> None:
    config = tmp_path / "ds.json"
    config.write_text(json.dumps({"zero_optimization": {"stage": stage}}))
    changes = ("objectives=[{name: mlm}]",)
    calm = bits(run_here(tmp_path / "calm", *changes, max_steps=6, config=config))
    run_here(tmp_path / "run", *changes, max_steps=3, config=config)
    assert bits(run_here(tmp_path / "run", *changes, max_steps=6, config=config)) == calm


@pytest.mark.parametrize("stage", [0, 1])
def test_a_head_that_is_first_read_after_a_resume(run_here, tmp_path: Path, stage: int) -> None:
    config = tmp_path / "ds.json"
    config.write_text(json.dumps({"zero_optimization": {"stage": stage}}))
    changes = ("stages.0.objectives=[{name: mlm}]", "stages.0.steps=4")
    calm = bits(run_here(tmp_path / "calm", *changes, max_steps=8, config=config))
    run_here(tmp_path / "run", *changes, max_steps=6, config=config)
    assert bits(run_here(tmp_path / "run", *changes, max_steps=8, config=config)) == calm


def bits(log: list[dict]) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in log]


def test_lamb_without_decay_is_still_lamb() -> None:
    model = torch.nn.Linear(4, 4)
    torch.nn.init.constant_(model.weight, 3.0)
    optimizer = build_optimizer(model, OptimizerSettings(name="lamb", weight_decay=0.0))
    before = [p.detach().clone() for p in model.parameters()]
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    moved = [float((p - old).detach().norm()) for p, old in zip(model.parameters(), before, strict=True)]
    assert moved == pytest.approx([0.1 * 12.0, 0.1 * 2.0], rel=1e-4)  # the weights' norm; a bias moves by Adam's 1 each


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (BertConfig(vocab_size=16), "word_embeddings.weight [16, 8]"),
        (BertConfig(vocab_size=5), "word_embeddings.weight [5, 8]"),
        (BertConfig(vocab_size=8, tie_word_embeddings=False), "cls.predictions.decoder.weight"),
        (ErnieConfig(vocab_size=8, use_task_id=True), "task_type_embeddings"),
    ],
)
def test_a_start_with_other_parameters_is_refused_before_it_is_trained(tmp_path: Path, config: Any, named: str) -> None:
    """A resume and the export build the recipe's model, so they would fail or, worse, leave something out."""
    shape = {"num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}
    config.update(shape)
    kind = BertForPreTraining if config.model_type == "bert" else ErnieForPreTraining
    kind(config).save_pretrained(tmp_path)
    vocabulary = Vocabulary([*SPECIALS, "a", "b", "c"])
    vocabulary.save(tmp_path)
    with pytest.raises(SettingsError) as caught:
        load_start(str(tmp_path), ModelSettings(family=config.model_type, **shape), vocabulary, 0.1, print)
    assert named in str(caught.value)


@pytest.fixture
def stoppable(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A run that only listens for signals, and a clock."""
    made = SimpleNamespace(run=Run.__new__(Run), now=0.0)
    made.run._stop = False
    monkeypatch.setattr(run.time, "monotonic", lambda: made.now)
    return made


def test_a_stop_that_comes_twice_at_once_is_one_wish(stoppable: SimpleNamespace) -> None:
    with stoppable.run.stoppable():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)  # what DeepSpeed's launcher adds to the terminal's Ctrl-C
        assert stoppable.run._stop


def test_a_second_stop_ends_at_once(stoppable: SimpleNamespace) -> None:
    with stoppable.run.stoppable():
        os.kill(os.getpid(), signal.SIGTERM)
        stoppable.now = 5.0
        with pytest.raises(SystemExit) as caught:
            os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 128 + signal.SIGTERM


def test_before_its_first_checkpoint_a_run_takes_the_data_it_is_given(
    shards: Path, tmp_path: Path, run_here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokenizer it exports has to be that of the data it was trained on."""
    out = tmp_path / "run"
    run_here(tmp_path / "calm", max_steps=1)
    saved = (tmp_path / "calm" / "recipe.yaml").read_text(encoding="utf-8").replace(str(shards), "/elsewhere")
    Vocabulary([*SPECIALS, *map(str, range(2500))]).save(out / "tokenizer")
    (out / "recipe.yaml").write_text(saved, encoding="utf-8")
    run_here(out, max_steps=1)
    assert [source.path for source in read_recipe(out).data] == [str(shards)]
    kept = load_vocabulary(out / "export")
    assert kept.fingerprint == load_vocabulary(shards / "tokenizer").fingerprint


def test_auto_precision_is_decided_once(
    run_here, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_here(tmp_path / "run", max_steps=1)
    monkeypatch.setattr("cn_bert.training.precision.has_bf16", lambda device: True)
    auto = load_recipe("bert_wwm", ["precision=auto"]).recipe
    request = Request(tmp_path / "run", (str(shards),))
    assert settle(auto, request, torch.device("cpu")).precision == "fp32"
    new = Request(tmp_path / "new", (str(shards),))
    assert settle(auto, new, torch.device("cpu")).precision == "bf16"


def test_an_export_that_dies_at_the_swap_can_be_made_again(
    run_here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_here(tmp_path / "run", max_steps=1)
    with monkeypatch.context() as broken:
        broken.setattr("cn_bert.training.export.replace_whole", interrupt)
        with pytest.raises(KeyboardInterrupt):
            export(tmp_path / "run", tmp_path / "run" / "export", replace=True)
    assert export(tmp_path / "run", tmp_path / "run" / "export", replace=True) == 1
    assert [entry.name for entry in (tmp_path / "run").glob("export*")] == ["export"]


def interrupt(temporary: Path, target: Path) -> None:
    raise KeyboardInterrupt


def test_a_log_on_a_full_disk_is_the_disks_error(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    log = RunLog.__new__(RunLog)
    log._speak, log._path, log._board = True, tmp_path / "log.jsonl", None
    with pytest.raises(DiskError, match="No space left"):
        log.write(step=1)


class Different(Ranks):
    """A rank that has something else than the first."""

    def said_by_first(self, number: int) -> int:
        return number + 1


def test_ranks_that_have_different_recipes_are_refused(
    run_here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "start_ranks", lambda *arguments: Different(0, 1, torch.device("cpu")))
    with pytest.raises(SettingsError, match="different recipes"):
        run_here(tmp_path / "run", max_steps=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["manifest.json", "config.json", "checkpoints/step-1/manifest.json"])
def test_a_folder_of_something_else_is_refused_and_untouched(run_here, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(OutputError, match="Choose another --out"):
        run_here(tmp_path, max_steps=1)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == [name]
