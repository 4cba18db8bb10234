"""Fine-tuning from a folder to a result: it learns, goes on where it stopped, and mixes nothing up."""

import json
import math
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tiny_tasks import QUICK_QUESTIONS, QUICK_REVIEWS

from cn_bert.finetune import run as run_module
from cn_bert.finetune import train as train_module
from cn_bert.finetune.run import finetune, plan, prepare
from cn_bert.finetune.task import load_task
from corpus_tools.errors import DataError, MissingInputError, NotFiniteError, OutputError, SettingsError

ONE_STEP = [*QUICK_REVIEWS, "epochs=0.05"]


def quiet(text: str) -> None:
    """Takes notes and says nothing."""


def prepared(encoder, reviews, changes=QUICK_REVIEWS, **more):
    return prepare(load_task("chnsenticorp", changes), encoder, reviews, note=quiet, **more)


@pytest.fixture(scope="module")
def trained(encoder, reviews, tmp_path_factory):
    """Two seeds of the classifier, trained once for the tests that only look."""
    out = tmp_path_factory.mktemp("senti") / "out"
    return out, finetune(prepared(encoder, reviews), 2, out, quiet)


def test_a_classifier_beats_the_commonest_label_by_far(trained):
    _, result = trained

    assert result["accuracy"]["mean"] > result["baseline"]["majority_accuracy"] + 0.25


def test_mean_and_spread_are_those_of_the_seeds(trained):
    out, result = trained
    each = [json.loads((out / f"seed-{n}" / "metrics.json").read_text())["scores"]["test"]["accuracy"] for n in (1, 2)]

    assert result["accuracy"]["each"] == each
    assert result["accuracy"]["mean"] == pytest.approx(sum(each) / 2)
    assert result["accuracy"]["spread"] == pytest.approx(abs(each[0] - each[1]) / math.sqrt(2))
    assert json.loads((out / "metrics.json").read_text()) == json.loads(json.dumps(result))


def test_predictions_give_the_score_that_was_reported(trained):
    out, result = trained
    rows = [json.loads(line) for line in (out / "seed-2" / "predictions.jsonl").read_text().splitlines()]

    assert len(rows) == 60
    assert sum(row["gold"] == row["label"] for row in rows) / 60 == pytest.approx(result["accuracy"]["each"][1])


def test_the_model_that_is_kept_is_the_best_seeds_on_dev(trained):
    out, result = trained
    dev = result["dev"]["accuracy"]["each"]

    assert result["best_seed"] == dev.index(max(dev)) + 1
    assert json.loads((out / "model" / "seed.json").read_text())["seed"] == result["best_seed"]
    assert sorted(path.name for path in out.iterdir()) == ["metrics.json", "model", "seed-1", "seed-2"]


def test_finished_seeds_are_not_trained_again(trained, encoder, reviews, monkeypatch):
    out, result = trained
    monkeypatch.setattr(run_module, "train", None)  # calling it would raise

    assert finetune(prepared(encoder, reviews), 2, out, quiet) == result
    assert finetune(prepared(encoder, reviews), 1, out, quiet)["accuracy"]["spread"] is None


def test_other_settings_are_refused_and_nothing_is_lost(trained, encoder, reviews):
    out, _ = trained
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}

    with pytest.raises(OutputError, match=r"task.epochs 4.0, this is 5.0"):
        finetune(prepared(encoder, reviews, [*QUICK_REVIEWS, "epochs=5"]), 2, out, quiet)
    with pytest.raises(OutputError, match="from_scratch False, this is True"):
        plan(prepared(encoder, reviews, from_scratch=True), 2, out)

    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != ".lock"} == before


def test_a_lost_model_is_made_again(trained, encoder, reviews, tmp_path):
    out, result = trained
    shutil.copytree(out, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "model")

    again = finetune(prepared(encoder, reviews), 2, tmp_path / "out", quiet)

    assert again["accuracy"] == result["accuracy"]
    same = load_file(tmp_path / "out" / "model" / "model.safetensors")
    for name, value in load_file(out / "model" / "model.safetensors").items():
        assert torch.equal(value, same[name])


def test_a_seed_that_was_cut_off_is_done_again(trained, encoder, reviews, tmp_path):
    out, result = trained
    shutil.copytree(out, tmp_path / "out")
    (tmp_path / "out" / "seed-2" / "metrics.json").unlink()

    assert finetune(prepared(encoder, reviews), 2, tmp_path / "out", quiet)["accuracy"] == result["accuracy"]


def test_a_reader_finds_answers(encoder, questions, tmp_path):
    ready = prepare(load_task("cmrc2018", QUICK_QUESTIONS), encoder, questions, note=quiet)

    result = finetune(ready, 1, tmp_path / "out", quiet)

    assert result["f1"]["mean"] > 60
    assert result["exact_match"]["mean"] <= result["f1"]["mean"]
    answers = json.loads((tmp_path / "out" / "seed-1" / "predictions.json").read_text())
    assert len(answers) == 40
    assert result["dev"]["f1"] == result["f1"]


def test_micro_batches_change_memory_only(encoder, reviews, tmp_path):
    weights = []
    for size in (16, 4):
        changes = [*ONE_STEP, f"micro_batch_size={size}"]
        finetune(prepared(encoder, reviews, changes), 1, tmp_path / str(size), quiet)
        weights.append(load_file(tmp_path / str(size) / "model" / "model.safetensors"))

    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=0, atol=1e-5)


def test_from_scratch_takes_the_shape_and_not_the_weights(encoder, reviews, tmp_path):
    name = "bert.embeddings.word_embeddings.weight"
    weights = {}
    for scratch in (False, True):
        out = tmp_path / str(scratch)
        finetune(
            prepared(encoder, reviews, ["learning_rate=1e-12", *ONE_STEP[:1], *ONE_STEP[2:]], from_scratch=scratch),
            1,
            out,
            quiet,
        )
        weights[scratch] = load_file(out / "model" / "model.safetensors")[name]
    given = load_file(f"{encoder}/model.safetensors")[name]

    torch.testing.assert_close(weights[False], given, rtol=0, atol=1e-6)
    assert weights[True].shape == given.shape
    assert (weights[True] - given).abs().mean() > 0.01


def test_a_limit_draws_the_same_examples_for_everyone(encoder, reviews):
    few = prepared(encoder, reviews, limit=7).examples["train"]
    everything = prepared(encoder, reviews).examples["train"]

    assert len(few) == 7
    assert few == prepared(encoder, reviews, limit=7).examples["train"]
    rest = iter(everything)
    assert all(example in rest for example in few)  # in the order of the file
    assert few != everything[:7]


def test_a_plan_writes_nothing(encoder, reviews, tmp_path):
    found = plan(prepared(encoder, reviews), 3, tmp_path / "out")

    assert (found["steps"], found["seeds_to_do"]) == (4 * 320 // 16, [1, 2, 3])
    assert not (tmp_path / "out").exists()


def test_unusual_sizes_are_noted(encoder, reviews):
    notes = []
    prepare(load_task("chnsenticorp", QUICK_REVIEWS), encoder, reviews, note=notes.append)

    assert "320 examples where the published file has 9,600" in notes[0]


def test_a_loss_that_is_no_number_stops_the_run(encoder, reviews, tmp_path):
    ready = prepared(encoder, reviews, [*QUICK_REVIEWS[:1], "learning_rate=1e30", *QUICK_REVIEWS[2:]])

    with pytest.raises(NotFiniteError, match="the loss is nan"):
        finetune(ready, 1, tmp_path / "out", quiet)
    assert not (tmp_path / "out" / "seed-1" / "metrics.json").exists()


@pytest.mark.parametrize("missing", ["model", "data", "file"])
def test_what_is_missing_is_named(encoder, reviews, tmp_path, missing):
    (tmp_path / "empty").mkdir()
    model = {"model": tmp_path / "none"}.get(missing, encoder)
    data = {"data": tmp_path / "none", "file": tmp_path / "empty"}.get(missing, reviews)

    with pytest.raises(MissingInputError):
        prepare(load_task("chnsenticorp", QUICK_REVIEWS), str(model), data, note=quiet)


def test_inputs_longer_than_the_model_are_refused(encoder, reviews, tmp_path):
    with pytest.raises(SettingsError, match=r"max_tokens 65: .* has 64 positions. --set max_tokens=64"):
        finetune(prepared(encoder, reviews, ["max_tokens=65"]), 1, tmp_path / "out", quiet)


def test_weights_of_another_model_are_refused(encoder, reviews, tmp_path):
    shutil.copytree(encoder, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))

    with pytest.raises(DataError, match=r"the weights lack 16 parts of the encoder"):
        finetune(prepared(str(tmp_path / "model"), reviews), 1, tmp_path / "out", quiet)


def test_each_epoch_takes_every_example_once_in_an_order_of_its_own(encoder, reviews, tmp_path, monkeypatch):
    taken: list[list[int]] = []
    real_pad = train_module.pad

    def noting_pad(features, pad_id):
        taken.extend(feature["input_ids"].tolist() for feature in features)
        return real_pad(features, pad_id)

    monkeypatch.setattr(train_module, "pad", noting_pad)
    ready = prepared(encoder, reviews, [*QUICK_REVIEWS, "epochs=2"], limit=50)
    finetune(ready, 1, tmp_path / "out", quiet)

    epochs = taken[:50], taken[50:]
    wanted = sorted(feature["input_ids"].tolist() for feature in ready.features)
    assert sorted(epochs[0]) == sorted(epochs[1]) == wanted
    assert epochs[0] != epochs[1]
