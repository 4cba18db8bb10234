"""What users get wrong, through the command line: an exit code, one message that helps, and nothing lost."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from injections import INJECTED
from small_runs import SMALL, losses

from cn_bert.cli import main
from cn_bert.objectives.mlm import Mlm
from cn_bert.training import checkpoint, snapshot
from corpus_tools.build import build
from corpus_tools.build_settings import BuildSettings
from corpus_tools.encode.train import train_vocabulary
from corpus_tools.storage import locked

FEW = ["stages.0.steps=4", "stages.0.batch_rows=2", "stages.1.steps=2", "stages.1.batch_rows=1", "evaluate.max_rows=1"]
Pretrain = Callable[..., tuple[int, str]]


@pytest.fixture
def pretrain(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Pretrain]:
    """Run `cn-bert pretrain` in this process; gives the exit code and what stood on stderr."""
    torch.set_num_threads(1)
    with mock.patch.dict(os.environ):

        def run(
            *words: str, recipe: str = "bert_wwm", data: Path | None = shards, sets: tuple[str, ...] = ()
        ) -> tuple[int, str]:
            os.environ.pop("RANK", None)
            line = ["pretrain", recipe, "--out", str(tmp_path / "run"), *words]
            line += ["--data", str(data)] if data else []
            line += [word for change in (*SMALL, *FEW, *sets) for word in ("--set", change)]
            code = main(line)
            return code, capsys.readouterr().err

        yield run


@pytest.fixture(scope="session")
def other_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of another text with another vocabulary."""
    folder = tmp_path_factory.mktemp("other")
    texts = [f"第{number}天下雨，我们在家里读书。晚上天晴了，星星很亮。" * 3 for number in range(12)]
    (folder / "text.jsonl").write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts), encoding="utf-8")
    train_vocabulary(texts, 200).save(folder / "vocab")
    build(
        BuildSettings(
            inputs=(str(folder / "text.jsonl"),), vocab=str(folder / "vocab"), out=str(folder / "shards"), workers=1
        )
    )
    return folder / "shards"


@pytest.fixture
def own_shards(shards: Path, tmp_path: Path) -> Path:
    """A copy of the shards, to be spoiled."""
    shutil.copytree(shards, tmp_path / "own")
    return tmp_path / "own"


def content(folder: Path) -> dict[str, str]:
    """Every file of a folder and the hash of its bytes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (("masking.rat=0.2",), "rat"),
        (("optimizer.nam=adamw",), "Did you mean 'name'?"),
        (("stages.0.steps=many",), "stages.0.steps"),
        (("masking.rate=1.5",), "rate"),
        (("masking=wmm",), "Did you mean 'wwm'?"),
        (("precision=fp16",), "precision fp16 needs loss scaling"),
        (("objectives=[{name: mln}]",), "Did you mean 'mlm'?"),
        (("objectives=[{name: nsp}, {name: pair}]",), "keep one"),
        (("sequences=unlabelled_pairs",), "needs labelled pairs"),
    ],
)
@pytest.mark.parametrize("dry", [True, False], ids=["dry", "real"])
def test_a_wrong_setting_is_64_and_leaves_no_run(
    pretrain: Pretrain, tmp_path: Path, sets: tuple[str, ...], message: str, dry: bool
) -> None:
    code, told = pretrain(*(["--dry-run"] if dry else []), sets=sets)
    assert code == 64
    assert message in told
    assert "Traceback" not in told
    assert not (tmp_path / "run" / "recipe.yaml").exists()
    assert not dry or not (tmp_path / "run").exists()


def test_an_unknown_recipe_is_64_and_a_missing_file_66(pretrain: Pretrain) -> None:
    code, told = pretrain(recipe="bert_wmw")
    assert code == 64
    assert "Did you mean 'bert_wwm'?" in told
    assert pretrain(recipe="nowhere.yaml")[0] == 66


def test_no_data_at_all_is_64(pretrain: Pretrain) -> None:
    code, told = pretrain(data=None)
    assert code == 64
    assert "give --data DIR" in told


@pytest.mark.parametrize("number", ["0", "-3"])
@pytest.mark.parametrize("option", ["--max-steps", "--nproc"])
def test_no_step_and_no_rank_is_a_wrong_command_line(pretrain: Pretrain, option: str, number: str) -> None:
    code, told = pretrain(option, number)
    assert code == 2
    assert f"{option} {number}: at least 1" in told


def test_missing_shards_are_66(pretrain: Pretrain, tmp_path: Path) -> None:
    code, told = pretrain(data=tmp_path / "nowhere")
    assert code == 66
    assert "nowhere" in told
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_shard_folder_is_65(pretrain: Pretrain, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, told = pretrain(data=tmp_path / "empty")
    assert code == 65
    assert "manifest.json" in told


def first_shard(folder: Path) -> Path:
    return min(folder.glob("shard-*.arrow"))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_truncated_shard_is_65(pretrain: Pretrain, own_shards: Path, share: float) -> None:
    INJECTED["shards damaged, missing or others"] += 1
    shard = first_shard(own_shards)
    shard.write_bytes(shard.read_bytes()[: int(share * shard.stat().st_size)])
    code, told = pretrain(data=own_shards)
    assert code == 65
    assert str(shard) in told
    assert "cut short" in told


def test_a_missing_shard_is_65(pretrain: Pretrain, own_shards: Path) -> None:
    INJECTED["shards damaged, missing or others"] += 1
    first_shard(own_shards).unlink()
    code, told = pretrain(data=own_shards)
    assert code == 65
    assert "missing" in told


def test_a_swapped_tokenizer_is_65(pretrain: Pretrain, own_shards: Path, other_shards: Path) -> None:
    INJECTED["shards damaged, missing or others"] += 1
    shutil.rmtree(own_shards / "tokenizer")
    shutil.copytree(other_shards / "tokenizer", own_shards / "tokenizer")
    code, told = pretrain(data=own_shards)
    assert code == 65
    assert "the shards were made with" in told


def test_shards_of_two_tokenizers_do_not_mix(pretrain: Pretrain, other_shards: Path, tmp_path: Path) -> None:
    INJECTED["shards damaged, missing or others"] += 1
    code, told = pretrain("--data", str(other_shards))
    assert code == 65
    assert "vocabular" in told
    assert not (tmp_path / "run").exists()


def test_a_missing_deepspeed_file_is_66_and_a_wrong_one_64(pretrain: Pretrain, tmp_path: Path) -> None:
    assert pretrain("--deepspeed_config", str(tmp_path / "none.json"))[0] == 66
    (tmp_path / "zero.json").write_text('{"zero_optimization": {"stage": 3}}')
    code, told = pretrain("--deepspeed_config", str(tmp_path / "zero.json"))
    assert code == 64
    assert "stage 3 is not supported" in told
    assert not (tmp_path / "run" / "recipe.yaml").exists()


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    pretrain: Pretrain, shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(shards)
    code = main(
        ["pretrain", "bert_wwm", "--out", str(tmp_path / "run"), "--data", str(shards), "--dry-run", "--nproc", "2"]
    )
    assert code == 0
    out = capsys.readouterr().out
    assert "would write" in out
    assert "stage 1" in out
    assert not (tmp_path / "run").exists()
    assert content(shards) == before


@pytest.fixture
def begun(pretrain: Pretrain, tmp_path: Path) -> Path:
    """A run that was stopped after step 3."""
    code, told = pretrain("--max-steps", "3")
    assert code == 0, told
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed=5", "seed = 0, now it is 5"),
        ("masking.rate=0.2", "masking.rate = 0.15, now it is 0.2"),
        ("stages.1.steps=3", "stages.1.steps = 2, now it is 3"),
        ("optimizer.name=lamb", "optimizer.name = 'adamw', now it is 'lamb'"),
        ("dropout=0.3", "dropout = 0.0, now it is 0.3"),
        ("held_out=0.1", "held_out = 0.05, now it is 0.1"),
    ],
)
def test_a_folder_of_other_settings_is_73_and_untouched(
    pretrain: Pretrain, begun: Path, change: str, message: str
) -> None:
    before = content(begun)
    for words in (("--dry-run",), ()):
        code, told = pretrain(*words, sets=(change,))
        assert code == 73
        assert message in told
    assert content(begun) == before


def test_what_enters_no_number_may_change(pretrain: Pretrain, begun: Path, shards: Path, tmp_path: Path) -> None:
    shutil.copytree(shards, tmp_path / "moved")
    free = ("micro_rows=1", "log.every_steps=2", "checkpoint.keep=1", "evaluate.max_rows=2")
    code, told = pretrain(data=tmp_path / "moved", sets=free)
    assert code == 0, told
    assert "going on from step 3" in told
    assert [line["step"] for line in losses(begun)] == [1, 2, 3, 4, 6]


def test_other_data_on_resume_is_65(pretrain: Pretrain, begun: Path, other_shards: Path) -> None:
    INJECTED["shards damaged, missing or others"] += 1
    step = checkpoint.steps(begun / "checkpoints")
    code, told = pretrain(data=other_shards)
    assert code == 65
    assert "begun on other data" in told
    assert checkpoint.steps(begun / "checkpoints") == step
    assert checkpoint.verify(begun / "checkpoints" / "step-3") == []


def test_a_second_process_is_kept_out(pretrain: Pretrain, begun: Path) -> None:
    INJECTED["run folder locked"] += 1
    with locked(begun):
        before = content(begun)
        code, told = pretrain()
        assert code == 73
        assert f"process {os.getpid()}" in told
        assert "is writing here" in told
        assert content(begun) == before


def test_the_lock_of_a_process_that_is_gone_is_taken_over(pretrain: Pretrain, begun: Path) -> None:
    INJECTED["run folder locked"] += 1
    (begun / ".lock").write_text("process 4194301 on elsewhere")
    code, told = pretrain()
    assert code == 0, told
    assert not (begun / ".lock").exists()


def test_a_recipe_file_that_was_spoiled_is_told(pretrain: Pretrain, begun: Path) -> None:
    (begun / "recipe.yaml").write_text("model: [\n")
    code, told = pretrain()
    assert code == 64
    assert "recipe.yaml" in told


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(pretrain: Pretrain, tmp_path: Path) -> None:
    often = ("checkpoint.every_steps=1",)
    assert pretrain("--max-steps", "3", sets=often)[0] == 0
    run = tmp_path / "run"
    expected = {line["step"]: line["loss"] for line in losses(run)}
    weights = run / "checkpoints" / "step-3" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    code, told = pretrain(sets=often)
    assert code == 0, told
    assert "WARNING" in told
    assert str(weights) in told
    assert "going on from step 2" in told
    again = {line["step"]: line["loss"] for line in losses(run)}
    assert again[3] == expected[3]
    assert sorted(again) == [1, 2, 3, 4, 5, 6]


def test_damaged_checkpoints_alone_are_76_and_stay(pretrain: Pretrain, begun: Path) -> None:
    (begun / "checkpoints" / "step-3" / "state.json").unlink()
    before = content(begun)
    code, told = pretrain()
    assert code == 76
    assert "no checkpoint matches its manifest" in told
    assert content(begun) == before


def test_a_run_that_ended_before_its_first_checkpoint_counts_anew(
    pretrain: Pretrain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(checkpoint, "replace_whole", fail)
        code, told = pretrain("--max-steps", "2")
    assert code == 74
    assert "No space left" in told
    first = [(line["step"], line["loss"]) for line in losses(tmp_path / "run")]
    assert pretrain("--max-steps", "2")[0] == 0
    assert [(line["step"], line["loss"]) for line in losses(tmp_path / "run")] == first
    assert [step for step, _ in first] == [1, 2]


def test_a_loss_that_is_no_number_is_70_and_the_last_checkpoint_stays(pretrain: Pretrain, begun: Path) -> None:
    before = content(begun / "checkpoints")

    real = Mlm.loss

    def in_training(one: Mlm, model: Any, hidden: torch.Tensor, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        total, right = real(one, model, hidden, batch)
        return (total * float("nan") if torch.is_grad_enabled() else total), right

    with mock.patch("cn_bert.objectives.mlm.Mlm.loss", in_training):
        code, told = pretrain(sets=("evaluate.every_steps=100",))
    assert code == 70
    assert "step 6: 3 steps in a row" in told
    assert content(begun / "checkpoints") == before


@pytest.mark.parametrize("on_gpu", [False, True])
@pytest.mark.parametrize(("tested", "told"), [(True, "the test of the gradients"), (False, "--set micro_rows=1")])
def test_memory_that_runs_out_is_71_with_a_remedy_and_the_last_checkpoint_stays(
    pretrain: Pretrain, begun: Path, on_gpu: bool, tested: bool, told: str
) -> None:
    """In the test before the first step, or in a step itself."""
    INJECTED["memory runs out"] += 1
    before, real = content(begun / "checkpoints"), Mlm.loss

    def greedy(one: Mlm, *given: Any) -> Any:
        if torch.is_grad_enabled() and on_gpu:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if torch.is_grad_enabled():
            torch.empty(1 << 60, dtype=torch.uint8)
        return real(one, *given)

    with ExitStack() as stack:
        stack.enter_context(mock.patch("cn_bert.objectives.mlm.Mlm.loss", greedy))
        if not tested:
            stack.enter_context(mock.patch("cn_bert.training.run.check_gradients", return_value=0.0))
        code, said = pretrain()
    assert code == 71
    assert told in said
    assert content(begun / "checkpoints") == before


def test_weights_that_are_no_numbers_are_never_saved(pretrain: Pretrain, begun: Path) -> None:
    """The last update of a run spoils them: no loss comes after it that would tell."""
    before = content(begun / "checkpoints")
    exported = content(begun / "export")
    with mock.patch("cn_bert.training.run.learning_rate", return_value=float("inf")):
        code, told = pretrain("--max-steps", "4")
    assert code == 70
    assert "step 4" in told
    assert "holds what is no number" in told
    assert content(begun / "checkpoints") == before
    assert content(begun / "export") == exported


def test_an_absurd_rate_ends_with_70_and_no_spoiled_checkpoint(pretrain: Pretrain, tmp_path: Path) -> None:
    sets = (
        "optimizer.peak_lr=1.0e+36",
        "optimizer.weight_decay=0.0",
        "checkpoint.every_steps=1",
        "schedule.warmup_steps=3",
    )
    code, told = pretrain(sets=sets)
    assert code == 70
    assert "Lower optimizer.peak_lr" in told
    for step in checkpoint.steps(tmp_path / "run" / "checkpoints"):
        weights = snapshot.load(tmp_path / "run" / "checkpoints", step).states.weights
        assert all(bool(value.isfinite().all()) for value in weights.values()), step
    assert not (tmp_path / "run" / "export").exists()
