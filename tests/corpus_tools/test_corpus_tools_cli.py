"""The command line: what each verb prints, and the code it ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from odd_texts import SENTENCES

from corpus_tools.cli import main
from corpus_tools.commands.build import list_file
from corpus_tools.encode.vocabulary import load_vocabulary
from corpus_tools.shards.read import open_shards

HEAVY = {"datasets", "jieba", "numba", "numpy", "pyarrow", "rich", "tokenizers", "torch", "transformers"}
VERBS = ["vocab", "build", "merge", "preview", "audit", "stats", "verify", "export", "dedup", "phrases", "segment"]


@pytest.fixture
def folder(tmp_path, text_file, vocab_file, capsys):
    """A finished shard folder with an entity list and a phrase list."""
    (tmp_path / "药.txt").write_text("云南白药\t9\n中国\n", "utf-8")
    (tmp_path / "语.txt").write_text("成立于\n", "utf-8")
    out = tmp_path / "out"
    lists = ["--entities", f"名={tmp_path / '药.txt'}", "--phrases", str(tmp_path / "语.txt")]
    assert main(build_line(text_file, vocab_file, out, *lists)) == 0
    capsys.readouterr()
    return out


def build_line(text_file, vocab_file, out, *more):
    basic = ["--vocab", str(vocab_file), "--out", str(out), "--segmenter", "chars", "--workers", "1"]
    return ["build", str(text_file), *basic, *more]


def run(*words, stdin=b""):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [sys.executable, "-m", "corpus_tools", *words], input=stdin, capture_output=True, env=environment
    )


def test_every_verb_has_help_with_an_example(capsys):
    for words in ([], *([verb] for verb in VERBS)):
        with pytest.raises(SystemExit) as caught:
            main([*words, "--help"])
        assert caught.value.code == 0
        assert "example" in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from corpus_tools.cli import build_parser; build_parser();"
        f"print(sorted({HEAVY} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_wrong_command_line_ends_with_2():
    for words in ([], ["biuld"], ["build"], ["audit", "x"]):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 2


def test_build_says_what_became_of_the_documents_and_what_to_do_next(text_file, vocab_file, tmp_path, capsys):
    assert main(build_line(text_file, vocab_file, tmp_path / "out")) == 0
    said = capsys.readouterr().out
    for words in (
        "documents read",
        "documents kept",
        "[UNK]",
        "bytes a token",
        "tokens a second",
        "next: corpus-tools",
    ):
        assert words in said
    assert main(build_line(text_file, vocab_file, tmp_path / "out")) == 0
    assert "finished already" in capsys.readouterr().out


def test_a_dry_run_writes_nothing(text_file, vocab_file, tmp_path, capsys):
    before = sorted(tmp_path.iterdir())
    assert main(build_line(text_file, vocab_file, tmp_path / "out", "--dry-run")) == 0
    assert "shard 0: news.txt from line 1" in capsys.readouterr().out
    assert main(["vocab", str(text_file), "--size", "200", "--out", str(tmp_path / "v"), "--dry-run"]) == 0
    assert "200 entries" in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == before


def test_a_dry_run_of_a_finished_build_says_so(folder, text_file, vocab_file, capsys):
    assert main([*build_line(text_file, vocab_file, folder), "--dry-run"]) == 73
    assert f"--entities 名={folder.parent / '药.txt'} is gone" in capsys.readouterr().err


def test_files_whose_names_are_not_utf8_are_read_and_named_in_what_is_written(vocab_file, tmp_path, capsysbinary):
    odd = os.fsdecode(b"caf\xe9")
    (tmp_path / f"{odd}.txt").write_text("\n\n".join(SENTENCES), "utf-8")
    (tmp_path / f"{odd}.lst").write_text("云南白药\n", "utf-8")
    out = tmp_path / f"{odd}_out"
    line = build_line(tmp_path / f"{odd}.txt", vocab_file, out, "--entities", str(tmp_path / f"{odd}.lst"))
    assert main([*line, "--dry-run"]) == 0
    assert main(line) == 0
    assert b"out/report.html" in capsysbinary.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir() if "tmp-" in path.name) == []
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    assert manifest["settings"]["inputs"] == [str(tmp_path / f"{odd}.txt")]
    assert manifest["kinds"][0]["name"] == "caf\\xe9"
    assert open_shards(out).id(0) == "caf\\xe9.txt:1"
    page = str(tmp_path / f"{odd}.html")
    for words in (["verify"], ["stats"], ["stats", "--html", page], ["preview", "--masking", "wwm"]):
        assert main([words[0], str(out), *words[1:]]) == 0
    assert main(["dedup", str(tmp_path / f"{odd}.txt"), "--out", str(tmp_path / f"{odd}.tsv"), "--json"]) == 0
    assert main(line) == 0  # the saved settings are those that are asked for again
    assert b"finished already" in capsysbinary.readouterr().out


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_workers_that_have_nothing_to_do_are_not_counted(text_file, vocab_file, tmp_path, dry_run, capsys):
    assert main([*build_line(text_file, vocab_file, tmp_path / "out"), "--workers", "3", *dry_run]) == 0
    said = capsys.readouterr().out
    assert "with 1 worker" in said
    assert "workers, a" not in said
    assert "3 workers" not in said


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_a_vocabulary_that_does_not_fit_the_text_is_warned_of(vocab_file, tmp_path, dry_run, caplog):
    (tmp_path / "other.txt").write_text("鸟鱼虫兽草木花果\n", "utf-8")
    assert main([*build_line(tmp_path / "other.txt", vocab_file, tmp_path / "out"), *dry_run]) == 0
    assert f"100 % of the tokens are [UNK]: the vocabulary {vocab_file} does not fit" in caplog.text


def test_a_name_that_stands_twice_in_a_list_of_names_is_named_once(text_file, vocab_file, tmp_path):
    line = build_line(
        text_file, vocab_file, tmp_path / "out", "--tags", "", "--kinds", "人,地,人", "--phrase-kinds", "语,语"
    )
    assert main(line) == 0
    kinds = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))["kinds"]
    assert [kind["name"] for kind in kinds] == ["人", "地", "语"]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda line, _: line.__setitem__(1, "nowhere.txt"), 66, "nowhere.txt"),
        (lambda line, _: line.__setitem__(3, "nowhere"), 66, "nowhere"),
        (lambda line, _: line.extend(["--segmenter", "jeiba"]), 64, "Did you mean 'jieba'"),
        (lambda line, _: line.extend(["--entities", "gone.txt"]), 66, "gone.txt"),
        (lambda line, _: line.extend(["--tags", "xx"]), 64, "no word of the dictionary has the tag 'xx'"),
        (lambda line, _: line.extend(["--workers", "-1"]), 64, "workers: -1 is below 0"),
        (lambda line, _: line.extend(["--model-max-length", "1"]), 64, "model_max_length: 1 is below 8"),
        (lambda line, path: line.__setitem__(1, str(path.parent)), 64, "lies in the input"),
        (lambda line, path: path.write_text("", "utf-8"), 65, "no document is left"),
        (lambda line, path: line.__setitem__(3, str(path)), 65, "the entry is blank"),
        (lambda line, path: line.__setitem__(5, str(path)), 73, "is a file"),
        (lambda line, _: line.__setitem__(5, "/proc/none/out"), 74, "cannot be made"),
    ],
)
def test_bad_input_ends_with_its_code_and_a_message_alone(text_file, vocab_file, tmp_path, change, code, said, capsys):
    line = build_line(text_file, vocab_file, tmp_path / "out")
    change(line, text_file)
    assert main(line) == code
    told = capsys.readouterr().err
    assert told.startswith("corpus-tools: ")
    assert "Traceback" not in told
    assert said in told


@pytest.mark.parametrize("name", ["char", "wwm", "phrase", "entity", "ernie_char", "ernie_phrase", "ernie_entity"])
def test_audit_keeps_its_promises_for_every_masking(folder, name, capsys):
    assert main(["audit", str(folder), "--masking", name, "--row-tokens", "16", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"mask_rate", "expected_rate", "partly_masked_units", "corrupted", "specials_masked"} <= found.keys()
    assert found["partly_masked_units"] == found["specials_masked"] == 0
    assert found["corrupted"].keys() == {"mask", "random", "keep"}


def test_audit_prints_a_table_for_people(folder, capsys):
    assert main(["audit", str(folder), "--masking", "wwm"]) == 0
    assert "mask_rate" in capsys.readouterr().out


def test_preview_prints_and_writes_a_page(folder, tmp_path, capsys):
    assert main(["preview", str(folder), "--masking", "entity", "--n", "3"]) == 0
    assert "3. news.txt" in capsys.readouterr().out
    page = tmp_path / "preview.html"
    assert main(["preview", str(folder), "--masking", "wwm,char", "--masking", "phrase", "--html", str(page)]) == 0
    assert all(f">{name}</th>" in page.read_text("utf-8") for name in ("wwm", "char", "phrase"))
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert "<script" not in page.read_text("utf-8")


def test_an_unknown_masking_names_the_near_one(folder, capsys):
    assert main(["preview", str(folder), "--masking", "wmm"]) == 64
    assert "Did you mean 'wwm'" in capsys.readouterr().err


def test_stats_agree_with_the_shards(folder, capsys):
    assert main(["stats", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["documents"] == found["documents_in"] == 12
    counters = found["counters"]
    assert sum(counters["documents_by_tokens"].values()) == 12
    assert sum(counters["words_by_tokens"].values()) == counters["words"]
    assert counters["entities"]["名"] > 0
    assert found["kinds"][0]["commonest"]
    assert main(["stats", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "名 (entity)" in shown
    assert "commonest words in a sample of 12 documents" in shown


def test_stats_and_build_write_the_same_page(folder, tmp_path):
    page = tmp_path / "stats.html"
    assert main(["stats", str(folder), "--html", str(page)]) == 0
    assert page.read_bytes() == (folder / "report.html").read_bytes()


def test_verify_ends_with_65_where_a_byte_changed(folder, capsys):
    assert main(["verify", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sound"] is True
    shard = next(folder.glob("*.arrow"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    assert main(["verify", str(folder)]) == 65
    assert "its bytes are not those" in capsys.readouterr().out


def test_vocab_is_what_build_takes(text_file, tmp_path, capsys):
    out = tmp_path / "vocab"
    assert main(["vocab", str(text_file), "--size", "180", "--out", str(out)]) == 0
    assert "fingerprint" in capsys.readouterr().out
    assert load_vocabulary(out).size <= 180
    assert main(build_line(text_file, out, tmp_path / "out")) == 0
    assert main(["vocab", str(text_file), "--size", "180", "--out", str(out)]) == 73


def test_vocab_extends_and_refuses_words(text_file, vocab_file, tmp_path, capsys):
    old = load_vocabulary(vocab_file)
    (tmp_path / "add.txt").write_text("鼯\n\n研究生\n", "utf-8")
    line = ["vocab", str(text_file), "--size", str(old.size + 9), "--out", str(tmp_path / "v")]
    assert main([*line, "--extend", str(vocab_file), "--add", str(tmp_path / "add.txt")]) == 64
    assert "add.txt:3: '研究生' can never match" in capsys.readouterr().err
    assert main([*line, "--extend", str(vocab_file)]) == 0
    assert load_vocabulary(tmp_path / "v").tokens[: old.size] == old.tokens
    assert main([*line[:-1], str(tmp_path / "w"), "--add", str(tmp_path / "add.txt")]) == 64


def test_segment_cuts_standard_input_line_by_line(tmp_path):
    done = run("segment", "--separator", "/", stdin=f"{SENTENCES[0]}\n\n a b\u2028c".encode())
    assert done.returncode == 0
    assert done.stdout.decode() == "研究/生命/的/起源/，/他/是/研究生/。\n\na/b/c\n"
    bad = run("segment", stdin="好\n".encode() + b"\xff\n")
    assert bad.returncode == 65
    assert "line 2: not UTF-8" in bad.stderr.decode()


def test_a_reader_that_goes_away_is_no_error(folder):
    process = subprocess.Popen(
        [sys.executable, "-m", "corpus_tools", "segment", "--segmenter", "chars"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, told = process.communicate("好\n".encode() * 10_000)
    assert told == b""
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("text", "kind", "path"),
    [("a.txt", None, "a.txt"), ("k=a.txt", "k", "a.txt"), ("x/k=a.txt", None, "x/k=a.txt"), ("=a", None, "=a")],
)
def test_a_list_may_name_its_kind(text, kind, path):
    assert list_file(text) == (kind, path)
