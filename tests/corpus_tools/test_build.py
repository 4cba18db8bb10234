"""Builds: the same bytes however they are cut short and shared out, and every document accounted for."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from odd_texts import ODD, SENTENCES
from small_builds import bytes_of, small_settings

from corpus_tools import build as building
from corpus_tools.build import build, plan_build, run_build
from corpus_tools.build_work import SplitWork
from corpus_tools.errors import DataError, MissingInputError, OutOfMemoryError, OutputError, SettingsError, StoppedError
from corpus_tools.progress import Progress
from corpus_tools.schema import SENTENCE, WORD
from corpus_tools.segment import word_starts
from corpus_tools.shards.read import open_shards
from corpus_tools.shards.verify import verify
from corpus_tools.shards.write import finished
from corpus_tools.storage import locked
from corpus_tools.text import document_batches
from corpus_tools.text.filters import Filters
from corpus_tools.text.inputs import ReadSettings

TESTS = Path(__file__).parent


@pytest.fixture
def settings(tmp_path, text_file, vocab_file):
    return small_settings(text_file, vocab_file, tmp_path / "out")


def test_a_build_holds_what_a_finished_folder_holds_and_nothing_else(settings):
    manifest = build(settings)
    names = {path.name for path in Path(settings.out).iterdir()}
    shards = {shard.file for shard in manifest.shards}
    assert len(shards) > 3
    assert names == shards | {"manifest.json", "tokenizer", "rejects.jsonl", "report.html"}
    assert verify(settings.out).problems == []


def test_shards_hold_the_documents_in_order_with_jiebas_words_and_the_tokenizers_ids(settings, text_file, vocabulary):
    build(replace(settings, segmenter="jieba", tags=("nr", "ns", "nt", "nz")))
    reader = open_shards(settings.out)
    texts = text_file.read_text("utf-8").rstrip("\n").split("\n\n")
    assert len(reader) == len(texts)
    segmenter = building.make_encoder(replace(settings, segmenter="jieba")).encoder._segmenter
    for number, text in enumerate(texts):
        read = reader.document(number)
        encoding = vocabulary.corpus_tokenizer().encode(text, add_special_tokens=False)
        assert read.id == f"news.txt:{1 + 3 * number}"
        assert read.ids.tolist() == encoding.ids
        starts = set(word_starts(segmenter, text))
        for flag, (begin, end) in zip(read.flags.tolist(), encoding.offsets, strict=True):
            if end - begin == 1:
                assert bool(flag & WORD) == (begin in starts)
    beijing = reader.document(1)
    assert "ns" in {reader.kinds[kind]["name"] for kind in beijing.spans["kind"].tolist()}
    assert np.count_nonzero(beijing.flags & SENTENCE) == 2


def test_documents_in_are_documents_out_and_dropped_by_reason(settings, tmp_path):
    path = tmp_path / "mixed.jsonl"
    lines = [json.dumps({"id": f"文{n}", "text": text, "source": "测试"}) for n, text in enumerate(ODD)]
    path.write_text("\n".join([*lines, "{bad", "[]", '{"text": 5}', '{"id": "x"}', '{"text": "\\u0000"}']), "utf-8")
    manifest = build(replace(settings, inputs=(str(path),), split_bytes=1 << 20))
    accounting = manifest.accounting
    rejects = [json.loads(line) for line in (Path(settings.out) / "rejects.jsonl").read_text("utf-8").splitlines()]
    assert accounting.documents_in == len(ODD) + 5
    assert accounting.balances()
    assert len(rejects) == sum(accounting.dropped.values())
    reasons = [reject["reason"] for reject in rejects]
    assert {reason: reasons.count(reason) for reason in reasons} == accounting.dropped
    assert set(reasons) == {"bad_json", "not_an_object", "text_not_a_string", "no_text", "empty", "no_tokens"}
    assert {reject["id"] for reject in rejects} >= {f"mixed.jsonl:{len(ODD) + 1}", "文0"}


def test_workers_change_no_byte(settings, tmp_path):
    build(settings)
    other = replace(settings, out=str(tmp_path / "other"), workers=2)
    build(other)
    assert bytes_of(settings.out) == bytes_of(other.out)


def test_a_finished_build_is_not_done_again(settings, monkeypatch):
    first = build(settings)
    monkeypatch.setattr(SplitWork, "run", lambda self, job: pytest.fail("done again"))
    assert build(replace(settings, workers=2)) == first


class Stopper:
    """A progress callback that asks to stop after `n` shards."""

    def __init__(self, n):
        self.n = n

    def __call__(self, progress: Progress) -> None:
        if progress.shards_done >= self.n:
            os.kill(os.getpid(), signal.SIGTERM)
            self.n = 10**9


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopped_build_keeps_its_shards_and_goes_on_to_the_same_bytes(settings, tmp_path, workers, monkeypatch):
    whole = replace(settings, out=str(tmp_path / "whole"))
    build(whole)
    with pytest.raises(StoppedError, match=r"\d of \d+ shards are done. Run the same command"):
        build(replace(settings, workers=workers), Stopper(2))
    out = Path(settings.out)
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("shard-*.arrow")}
    assert len(kept) >= 2
    assert not list(out.glob("*.tmp-*"))
    assert not (out / ".lock").exists()
    with pytest.raises(DataError, match="not finished"):
        open_shards(out)

    build(settings)

    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept
    assert bytes_of(out) == bytes_of(whole.out)


def test_a_build_that_was_killed_goes_on_to_the_same_bytes(settings, tmp_path):
    whole = replace(settings, out=str(tmp_path / "whole"))
    slow = replace(settings, segmenter="by_function:worker_jobs:slowly", workers=2)
    code = (
        "import sys, json\n"
        "from corpus_tools.build import BuildSettings, build\n"
        "if __name__ == '__main__': build(BuildSettings(**json.loads(sys.argv[1])))"
    )
    script = tmp_path / "run.py"
    script.write_text(code, "utf-8")
    asked = {name: getattr(slow, name) for name in ("inputs", "vocab", "out", "segmenter", "split_bytes", "workers")}
    process = subprocess.Popen(
        [sys.executable, script, json.dumps(asked | {"tags": []})],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent.parent)])},
        start_new_session=True,
    )
    out = Path(settings.out)
    deadline = time.monotonic() + 60
    while not list(out.glob("shard-*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert (out / ".lock").exists()
    assert not (out / "manifest.json").exists()
    (out / "shard-00001.arrow.tmp-1").write_bytes(b"half")

    made = build(slow)

    build(replace(whole, segmenter=slow.segmenter))
    assert made.fingerprint == open_shards(whole.out).fingerprint
    assert bytes_of(out) == bytes_of(whole.out)


def test_a_half_written_shard_is_done_again(settings):
    with pytest.raises(StoppedError):
        build(settings, Stopper(3))
    shard = sorted(Path(settings.out).glob("shard-*.arrow"))[0]
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    build(settings)
    assert shard.read_bytes() == content


def test_a_shard_that_was_cut_short_after_the_build_is_made_anew(settings):
    fingerprint = build(settings).fingerprint
    shard = Path(settings.out) / "shard-00001.arrow"
    shard.write_bytes(shard.read_bytes()[:-1])
    assert build(settings).fingerprint == fingerprint
    assert verify(settings.out).problems == []


def test_a_worker_that_dies_once_costs_nothing(settings, text_file, tmp_path, monkeypatch):
    text_file.write_text(text_file.read_text("utf-8") + "\n杀。\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    manifest = build(replace(settings, segmenter="by_function:worker_jobs:dies_at_a_word", workers=2))
    assert (tmp_path / "died").exists()
    assert manifest.accounting.documents_out == 13


def test_a_worker_that_is_killed_costs_nothing_but_time(settings, tmp_path):
    slow = replace(settings, segmenter="by_function:worker_jobs:slowly", workers=2)
    build(replace(slow, out=str(tmp_path / "calm"), workers=1))
    killed = []

    def kill_one(progress: Progress) -> None:
        if progress.shards_done == 1 and not killed:
            killed.append(multiprocessing.active_children()[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    build(slow, kill_one)
    assert killed
    assert bytes_of(settings.out) == bytes_of(tmp_path / "calm")


def test_a_shard_whose_worker_always_dies_is_named_and_all_others_are_done(settings, text_file):
    text_file.write_text(text_file.read_text("utf-8") + "\n杀。\n", "utf-8")
    asked = replace(settings, segmenter="by_function:worker_jobs:always_dies_at_a_word", workers=2)
    with pytest.raises(OutOfMemoryError, match=r"news.txt \(bytes .*died at every try") as caught:
        build(asked)
    assert caught.value.exit_code == 71
    plan = plan_build(asked)
    done = [finished(Path(asked.out), job.number, plan.order.key) for job in plan.jobs]
    assert done.count(None) == 1


def test_an_error_in_a_users_function_is_told_as_it_is(settings):
    with pytest.raises(FileNotFoundError, match="the users own"):
        build(replace(settings, segmenter="by_function:worker_jobs:fails"))
    assert not list(Path(settings.out).glob("*.tmp-*"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"segmenter": "presegmented"}, "another build: segmenter was chars, is presegmented. "),
        ({"cased": True}, "another build: cased was false, is true. "),
        ({"tags": ("ns", "nt")}, "another build: tags was not set, is ns,nt. "),
        ({"split_bytes": 500}, "another build: split_bytes was 120, is 500. "),
        ({"read": ReadSettings(document_ends="file")}, "another build: document_ends was blank_line, is file. "),
        ({"filters": Filters(min_chars=3)}, "another build: min_chars was 0, is 3. "),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_a_folder_of_other_settings_is_left_alone(settings, change, named, finished):
    if finished:
        build(settings)
    else:
        with pytest.raises(StoppedError):
            build(settings, Stopper(2))
    before = bytes_of(settings.out)
    with pytest.raises(OutputError, match=named) as caught:
        build(replace(settings, **change))
    assert caught.value.exit_code == 73
    assert bytes_of(settings.out) == before


def append_to_input(text_file, folder):
    with text_file.open("a", encoding="utf-8") as file:
        file.write("\n再见。\n")


def rewrite_input_in_the_same_size(text_file, folder):
    text_file.write_text(text_file.read_text("utf-8").replace("研究", "究研"), "utf-8")
    os.utime(text_file, ns=(1, 1))


def add_input(text_file, folder):
    (folder / "texts" / "more.txt").write_text("再见。\n", "utf-8")


def rename_input(text_file, folder):
    text_file.rename(folder / "texts" / "olds.txt")


def append(name, line):
    def change(text_file, folder):
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(line)

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (append_to_input, r"input texts/news\.txt has changed: it had [\d,]+ bytes and has [\d,]+"),
        (
            rewrite_input_in_the_same_size,
            r"input texts/news\.txt was changed at 19\d\d-.*its size is the same: `touch`",
        ),
        (add_input, r"another build: input texts/more\.txt is new\. "),
        (rename_input, r"another build: input texts/olds\.txt is new; input texts/news\.txt is gone\. "),
        (append("small_vocab.txt", "鼯\n"), r"another build: --vocab \S+/small_vocab\.txt has changed since\. "),
        (append("user.dict", "起源 100000\n"), r"another build: --dict \S+/user\.dict has changed since\. "),
        (append("药.txt", "中国\n"), r"another build: --entities 药=\S+/药\.txt has changed since\. "),
        (append("语.txt", "中国的\n"), r"another build: --phrases idiom=\S+/语\.txt has changed since\. "),
        (append("drop.tsv", "x\n"), r"another build: --drop \S+/drop\.tsv has changed since\. "),
    ],
)
def test_what_changed_since_a_build_was_stopped_is_named(settings, text_file, tmp_path, change, named):
    (tmp_path / "texts").mkdir()
    text_file = text_file.rename(tmp_path / "texts" / "news.txt")
    (tmp_path / "user.dict").write_text("研究生命 100000\n", "utf-8")
    (tmp_path / "药.txt").write_text("云南白药\n", "utf-8")
    (tmp_path / "语.txt").write_text("成立于\n", "utf-8")
    (tmp_path / "drop.tsv").write_text("nothing\n", "utf-8")
    asked = replace(
        settings,
        inputs=(str(tmp_path / "texts"),),
        segmenter="jieba",
        dictionaries=(str(tmp_path / "user.dict"),),
        entities=((None, str(tmp_path / "药.txt")),),
        phrases=(("idiom", str(tmp_path / "语.txt")),),
        drop=str(tmp_path / "drop.tsv"),
    )
    with pytest.raises(StoppedError):
        build(asked, Stopper(1))
    before = bytes_of(settings.out)
    change(text_file, tmp_path)
    with pytest.raises(OutputError, match=named):
        build(asked)
    assert bytes_of(settings.out) == before


def test_an_input_in_another_order_is_noticed(settings, text_file, tmp_path):
    (tmp_path / "more.txt").write_text("再见。\n", "utf-8")
    asked = replace(settings, inputs=(str(text_file), str(tmp_path / "more.txt")))
    with pytest.raises(StoppedError):
        build(asked, Stopper(1))
    with pytest.raises(OutputError, match="the inputs stand in another order"):
        build(replace(asked, inputs=asked.inputs[::-1]))


def test_lists_that_come_go_and_move_are_named(settings, tmp_path):
    lists = [str(tmp_path / name) for name in ("药.txt", "地.txt", "人.txt")]
    for path, entry in zip(lists, ("云南白药", "北京大学", "中华人民"), strict=True):
        Path(path).write_text(f"{entry}\n", "utf-8")
    both = replace(settings, entities=((None, lists[0]), ("ns", lists[1])))
    build(both)
    named = rf"--entities 人={lists[2]} is new; --entities ns={lists[1]} is gone\. "
    with pytest.raises(OutputError, match=named):
        build(replace(both, entities=((None, lists[0]), (None, lists[2]))))
    with pytest.raises(OutputError, match="the files of --entities stand in another order"):
        build(replace(both, entities=both.entities[::-1]))
    moved = tmp_path / "moved"
    moved.mkdir()
    Path(lists[0]).rename(moved / "药.txt")
    before = bytes_of(settings.out)
    build(replace(both, entities=((None, str(moved / "药.txt")), ("ns", lists[1]))))
    assert bytes_of(settings.out) == before


def test_a_users_function_that_changed_is_named(settings, tmp_path, monkeypatch):
    module = tmp_path / "changing_words.py"
    module.write_text("def words(text):\n    return list(text)\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    asked = replace(settings, segmenter="by_function:changing_words:words")
    build(asked)
    module.write_text("def words(text):\n    return [text]\n", "utf-8")
    with pytest.raises(OutputError, match="the module of --segmenter by_function:changing_words:words has changed"):
        build(asked)


def test_a_folder_of_an_older_version_is_named_as_one(settings):
    build(settings)
    manifest = Path(settings.out) / "manifest.json"
    saved = json.loads(manifest.read_text("utf-8"))
    saved["identity"] = {"tool": "corpus-tools 0.0.1"}
    manifest.write_text(json.dumps(saved), "utf-8")
    with pytest.raises(OutputError, match="it was made by another version of corpus-tools"):
        build(settings)


def test_a_folder_without_a_finished_shard_is_taken_over(settings, tmp_path):
    with pytest.raises(ZeroDivisionError):
        build(replace(settings, segmenter="by_function:worker_jobs:divides_by_zero"))
    out = Path(settings.out)
    assert [path.name for path in out.iterdir() if path.name != "tokenizer"] == ["build.json"]
    (out / "shard-00009.arrow").touch()  # left by a build that was killed before it wrote the record
    build(settings)
    build(replace(settings, out=str(tmp_path / "anew")))
    assert bytes_of(out) == bytes_of(tmp_path / "anew")


def test_an_input_that_is_written_to_while_it_is_read_is_named_at_the_end(settings, text_file):
    with pytest.raises(DataError, match=r"while the build ran: input news\.txt was changed at"):
        build(settings, lambda progress: os.utime(text_file, ns=(1, progress.shards_done)))
    assert not (Path(settings.out) / "manifest.json").exists()


def test_a_worker_that_finds_another_list_than_the_plan_says_so(settings, tmp_path):
    (tmp_path / "药.txt").write_text("云南白药\n", "utf-8")
    plan = plan_build(replace(settings, entities=((None, str(tmp_path / "药.txt")),), workers=2))
    (tmp_path / "药.txt").write_text("中国\n", "utf-8")
    with pytest.raises(DataError, match=r"--entities 药=\S+ has changed since: this build began with others"):
        run_build(plan)


def test_a_folder_with_other_things_in_it_is_left_alone(settings):
    out = Path(settings.out)
    out.mkdir()
    (out / "thesis.docx").touch()
    with pytest.raises(OutputError, match=r"thesis\.docx"):
        build(settings)
    assert [path.name for path in out.iterdir()] == ["thesis.docx"]
    with pytest.raises(OutputError, match="is a file"):
        build(replace(settings, out=str(out / "thesis.docx")))


def test_two_builds_do_not_write_one_folder(settings):
    Path(settings.out).mkdir()
    with locked(Path(settings.out)), pytest.raises(OutputError, match="is writing here"):
        build(settings)


def test_an_empty_corpus_is_an_error_that_leaves_the_folder_free(settings, tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"text": ""}\nnot json\n', "utf-8")
    with pytest.raises(DataError, match=r"no document is left of 2 .*bad_json 1") as caught:
        build(replace(settings, inputs=(str(empty),)))
    assert caught.value.exit_code == 65
    assert build(settings).accounting.documents_out == 12


@pytest.mark.parametrize("place", ["", "shards", "../texts/deep/shards", "../link/shards"])
def test_a_folder_within_the_inputs_is_refused(settings, text_file, tmp_path, place):
    texts = tmp_path / "texts"
    texts.mkdir()
    text_file.rename(texts / "news.txt")
    (tmp_path / "link").symlink_to(texts)
    with pytest.raises(SettingsError, match=r"lies in the input .*texts, .* Take a place beside it"):
        replace(settings, inputs=(str(texts),), out=str(texts / place))
    build(replace(settings, inputs=(str(texts),), out=str(tmp_path / "texts_shards")))


def test_what_is_missing_is_named_before_anything_is_written(settings):
    for change in ({"inputs": ("nowhere.txt",)}, {"vocab": "nowhere"}, {"entities": ((None, "nowhere.lst"),)}):
        with pytest.raises(MissingInputError, match="nowhere"):
            build(replace(settings, **change))
    assert not Path(settings.out).exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inputs": ()}, "no input"),
        ({"workers": -1}, "workers: -1"),
        ({"dictionaries": ("d.txt",)}, "only the segmenter jieba"),
        ({"segmenter": "jeiba"}, "Did you mean 'jieba'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, change, said):
    with pytest.raises(SettingsError, match=said):
        build(replace(settings, **change))


def test_lists_and_user_words_reach_every_worker(settings, tmp_path):
    (tmp_path / "药.txt").write_text("云南白药\n", "utf-8")
    (tmp_path / "语.txt").write_text("成立于\n", "utf-8")
    (tmp_path / "user.dict").write_text("研究生命 100000\n", "utf-8")
    asked = replace(
        settings,
        segmenter="jieba",
        dictionaries=(str(tmp_path / "user.dict"),),
        entities=((None, str(tmp_path / "药.txt")),),
        phrases=(("句", str(tmp_path / "语.txt")),),
        workers=2,
    )
    manifest = build(asked)
    reader = open_shards(asked.out)
    assert manifest.counters["entities"] == {"药": 2}
    assert manifest.counters["phrases"] == {"句": 2}
    assert np.flatnonzero(reader.flags(0) & WORD)[:2].tolist() == [0, 4]


def test_a_dry_plan_writes_nothing_and_counts_the_splits(settings):
    plan = plan_build(settings)
    assert len(plan.splits) == len(build(settings).shards)
    sizes = [job.split.n_bytes for job in plan.jobs]
    assert sizes == sorted(sizes, reverse=True)


def test_batches_change_no_byte(settings, tmp_path, monkeypatch):
    build(settings)
    monkeypatch.setattr(document_batches, "BATCH_DOCUMENTS", 1)
    other = replace(settings, out=str(tmp_path / "other"))
    build(other)
    assert bytes_of(settings.out) == bytes_of(other.out)


def test_odd_texts_and_plain_ones_build_alike_cased_and_not(settings, tmp_path):
    path = tmp_path / "odd.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}) for text in ODD + SENTENCES), "utf-8")
    for cased in (True, False):
        out = str(tmp_path / f"cased-{cased}")
        build(replace(settings, inputs=(str(path),), cased=cased, segmenter="jieba", out=out))
        assert verify(out).problems == []
