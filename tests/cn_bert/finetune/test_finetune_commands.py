"""The command line of fine-tuning: what goes to stdout, exit codes, and no torch for --help."""

import argparse
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_tasks import QUICK_QUESTIONS, QUICK_REVIEWS

from cn_bert.finetune.commands import _stoppable, add_commands
from corpus_tools.errors import DataError, StoppedError, UsageError


def call(*words: str) -> int:
    parser = argparse.ArgumentParser("cn-bert")
    add_commands(parser.add_subparsers(required=True))
    arguments = parser.parse_args([str(word) for word in words])
    return arguments.func(arguments)


def sets(changes: list[str]) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


@pytest.fixture(scope="module")
def senti(encoder, reviews, tmp_path_factory):
    out = tmp_path_factory.mktemp("commands") / "senti"
    quick = sets([*QUICK_REVIEWS, "epochs=1"])
    words = ("finetune", "chnsenticorp", "--model", encoder, "--data", reviews, "--out", out, *quick)
    assert call(*words) == 0
    return out, words


def test_json_is_alone_on_stdout_and_has_metrics_at_the_top(senti, capsys):
    _, words = senti

    assert call(*words, "--json") == 0

    assert json.loads(capsys.readouterr().out)["accuracy"].keys() == {"mean", "spread", "each"}


def test_the_table_names_the_model_and_the_next_command(senti, capsys):
    out, words = senti

    assert call(*words) == 0

    shown = capsys.readouterr().out
    assert "accuracy" in shown
    assert f"cn-bert predict --model {out}" in shown


def test_a_dry_run_writes_nothing(encoder, questions, tmp_path, capsys):
    quick = sets(QUICK_QUESTIONS)
    out = tmp_path / "out"

    assert call("finetune", "cmrc2018", "--model", encoder, "--data", questions, "--out", out, "--dry-run", *quick) == 0

    assert json.loads(capsys.readouterr().out)["examples"] == {"train": 240, "dev": 40}
    assert not out.exists()


def test_predict_takes_texts_a_file_and_stdin(senti, tmp_path, capsys, monkeypatch):
    out, _ = senti
    capsys.readouterr()
    file = tmp_path / "texts.txt"
    file.write_text("店很好\n\n坏书\r\n", encoding="utf-8")

    call("predict", "--model", out, "--text", "店很好", "--text", "坏书", "--json")
    by_words = json.loads(capsys.readouterr().out)["predictions"]
    call("predict", "--model", out, "--file", file, "--json")
    by_file = json.loads(capsys.readouterr().out)["predictions"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    call("predict", "--model", out)
    lines = capsys.readouterr().out.splitlines()

    assert by_words == by_file
    assert [line.split("\t")[2] for line in lines] == ["店很好", "坏书"]
    assert [line.split("\t")[0] for line in lines] == [one["name"] for one in by_file]


def test_control_characters_do_not_reach_the_terminal(senti, capsys):
    out, _ = senti
    capsys.readouterr()

    call("predict", "--model", out, "--text", "好\x1b[31m")

    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--question", "谁？"), "--question and --passage go together"),
        (("--question", "谁？", "--passage", "山"), "this model labels texts"),
        (("--text", "山", "--text", "水", "--pair", "火"), "2 --text and 1 --pair"),
    ],
)
def test_wrong_words_are_usage_errors(senti, more, words):
    out, _ = senti

    with pytest.raises(UsageError, match=words):
        call("predict", "--model", out, *more)


def test_lines_for_a_reader_have_to_be_questions(encoder, questions, tmp_path):
    out = tmp_path / "out"
    quick = sets([*QUICK_QUESTIONS, "epochs=0.1"])
    call("finetune", "cmrc2018", "--model", encoder, "--data", questions, "--out", out, *quick, "--limit", "16")
    file = tmp_path / "asked.jsonl"

    file.write_text('{"question": "谁？", "passage": "山水"}\n', encoding="utf-8")
    assert call("predict", "--model", out, "--file", file) == 0
    file.write_text('{"question": "谁？"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"asked.jsonl:1: expected a JSON object"):
        call("predict", "--model", out, "--file", file)


def test_fill_mask_prints_a_line_for_each_mask(encoder, capsys):
    assert call("fill-mask", "--model", encoder, "[MASK]山[MASK]", "--top-k", "2") == 0

    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["[MASK] 1", "[MASK] 2"]


@pytest.mark.parametrize("command", ["finetune", "predict", "fill-mask"])
def test_help_loads_no_torch_and_shows_examples(command):
    code = (
        "import argparse, sys; from cn_bert.finetune.commands import add_commands\n"
        "parser = argparse.ArgumentParser('cn-bert'); add_commands(parser.add_subparsers())\n"
        "try: parser.parse_args([sys.argv[1], '--help'])\n"
        "finally: assert not {'torch', 'transformers'} & sys.modules.keys()"
    )

    shown = subprocess.run([sys.executable, "-c", code, command], capture_output=True, text=True, check=True).stdout

    assert f"cn-bert {command} " in shown.partition("examples:")[2]


def test_sigterm_is_a_stop_that_can_go_on_and_the_handler_is_put_back():
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(StoppedError, match="the same command goes on"), _stoppable(Path("out")):
        os.kill(os.getpid(), signal.SIGTERM)

    assert signal.getsignal(signal.SIGTERM) is before
