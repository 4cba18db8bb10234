"""The command line itself: help without torch, verbs, and where launchers put their words."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from cn_bert.cli import build_parser, main

VERBS = ("doctor", "demo", "recipes", "show", "estimate", "pretrain", "export", "verify", "report")
VERBS += ("finetune", "predict", "fill-mask")
HEAVY = ("torch", "transformers", "deepspeed", "datasets", "accelerate", "pyarrow")


def test_help_loads_nothing_heavy() -> None:
    """Of every verb, in one process: what --help imports stays imported."""
    program = f"""
import sys
from cn_bert.cli import main
for verb in ([], *([verb] for verb in {VERBS!r})):
    try:
        main([*verb, "--help"])
    except SystemExit as end:
        assert end.code == 0, verb
print("LOADED", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []"
    for verb in VERBS:
        assert f"usage: cn-bert {verb}" in done.stdout


def test_the_overview_names_every_verb_and_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = build_parser().format_help()
    assert all(f"    {verb}" in text for verb in VERBS)
    assert "local_rank" not in text


@pytest.mark.parametrize(
    "line",
    [
        ["--local_rank=1", "pretrain", "bert_wwm", "--data", "d", "--out", "o"],
        ["--local_rank", "1", "pretrain", "bert_wwm", "--data", "d", "--out", "o", "--deepspeed"],
        ["pretrain", "bert_wwm", "--local_rank=1", "--data", "d", "--out", "o", "--deepspeed_config", "f.json"],
        ["pretrain", "bert_wwm", "--data", "d", "--out", "o", "--deepspeed-config", "f.json"],
    ],
)
def test_words_of_launchers_are_taken_where_they_put_them(line: list[str]) -> None:
    args = build_parser().parse_args(line)
    assert (args.recipe, args.data, str(args.out)) == ("bert_wwm", ["d"], "o")


@pytest.mark.parametrize("line", [[], ["pretrian"], ["pretrain", "bert_wwm"], ["show"], ["export", "run", "--ou", "x"]])
def test_a_wrong_command_line_ends_with_2(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(line)
    assert caught.value.code == 2
    assert "usage: cn-bert" in capsys.readouterr().err


def test_a_users_error_is_one_message_without_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "bert_wmw"]) == 64
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("cn-bert: ")
    assert "Did you mean 'bert_wwm'?" in told.err


@pytest.mark.parametrize(("rank", "n_lines"), [("0", 1), ("1", 0)])
def test_only_the_first_rank_tells_what_all_have_met(
    rank: str, n_lines: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", rank)
    assert main(["show", "bert_wwm", "--set", "seed=yes"]) == 64
    assert len(capsys.readouterr().err.splitlines()) == n_lines


def test_show_prints_every_setting_and_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "bert_wwm", "--set", "masking.rate=0.2", "--set", "model=tiny"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = {line.split(":")[0]: line for line in lines}
    assert found["masking.rate"].split() == ["masking.rate:", "0.2", "#", "--set"]
    assert found["model.hidden_size"].split() == ["model.hidden_size:", "256", "#", "configs/model/tiny.yaml"]
    assert found["stages.0.steps"].endswith("# configs/recipes/bert_wwm.yaml")
    assert found["seed"].endswith("# default")


def test_recipes_lists_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in ("bert_wwm", "ernie", "tiny", "wwm", "nsp_pairs", "chnsenticorp"))


def test_doctor_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["python"]["good"] is True


def test_a_reader_that_goes_away_is_no_error() -> None:
    program = f"{sys.executable} -m cn_bert show bert_wwm | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, check=False, env=os.environ, timeout=60
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("words", [["--nproc", "2"], ["--nproc=2"]])
def test_nproc_starts_ranks_that_are_not_told_of_it(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr("cn_bert.launch.run_ranks", lambda rest, n, port: started.append((rest, n, port)) or 75)
    line = ["pretrain", "bert_wwm", "--data", "d", *words, "--out", "o", "--set", "seed=3"]
    assert main(line) == 75
    ((rest, n, port),) = started
    assert (rest, n) == ([word for word in line if word not in words], 2)
    assert 1024 <= port < 65536


def test_a_rank_starts_no_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under torchrun --nproc would start ranks of ranks."""
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr("cn_bert.launch.run_ranks", lambda *rest: pytest.fail("ranks of ranks"))
    monkeypatch.setattr("cn_bert.training.run.pretrain", lambda loaded, request: None)
    assert main(["pretrain", "bert_wwm", "--data", "d", "--out", "o", "--nproc", "2"]) == 0
