"""Run every step of the path with the commands a user would type, and write a page about what came out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from cn_bert.demo.page import write_page
from cn_bert.training.log import read_log
from corpus_tools.errors import OutputError, UserError

MARKER: Final = ".cn-bert-demo"
STEPS: Final = 160
EVERY: Final = 20
"""Steps between two checkpoints, so that a killed run has something to go on from."""
SENTENCES: Final = ("春节是中国最重要的传统[MASK]日。", "月球绕[MASK]球转动。", "他在图书馆里看了一下午的[MASK]。")
N_PARTS: Final = 9


@dataclass
class Demo:
    """The demo's folder and what has been found so far."""

    out: Path
    part: int = 0
    timings: list[tuple[str, float]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @property
    def sample(self) -> Path:
        return self.out / "sample"

    def announce(self, text: str) -> None:
        self.part += 1
        print(f"\n[{self.part}/{N_PARTS}] {text}", file=sys.stderr, flush=True)

    def call(self, program: str, *words: str | Path, quiet: bool = False) -> str:
        """Run one of our commands to its end, show it, and return its output.

        Raises:
            UserError: the command failed; it has said why.
        """
        since = time.perf_counter()
        self._show(program, words)
        done = subprocess.run(_line(program, words), stdout=subprocess.PIPE, env=_environment(), check=False)
        output = done.stdout.decode("utf-8", "replace")
        if not quiet:
            print(output, end="", file=sys.stderr, flush=True)
        self.timings.append((f"{program} {words[0]}", time.perf_counter() - since))
        if done.returncode:
            raise UserError(f"demo: `{program} {words[0]}` ended with code {done.returncode}, see above")
        return output

    def call_and_kill(self, run: Path, at_step: int, *words: str | Path) -> int:
        """Start a pre-training run and kill it without warning once its log shows a step; return that step."""
        since = time.perf_counter()
        self._show("cn-bert", words)
        going = subprocess.Popen(_line("cn-bert", words), env=_environment())
        try:
            while (step := _last_step(run)) < at_step:
                if going.poll() is not None:
                    raise UserError(f"demo: pre-training ended with code {going.returncode} before it was killed")
                time.sleep(0.05)
            going.send_signal(signal.SIGKILL)
        finally:
            going.kill()
            going.wait()
        self.timings.append(("cn-bert pretrain, killed", time.perf_counter() - since))
        return step

    def _show(self, program: str, words: Sequence[str | Path]) -> None:
        shown = " ".join(
            _quoted(os.path.relpath(word) if isinstance(word, Path) else word) for word in (program, *words)
        )
        self.commands.append(shown)
        print(f"$ {shown}", file=sys.stderr, flush=True)


def run_demo(out: Path) -> None:
    """Build shards, show marks, pre-train, kill, resume, fine-tune, fill a mask, and write `report.html`.

    Args:
        out: a folder to make; one that an earlier demo made is emptied first.

    Raises:
        OutputError: the folder holds something else.
        UserError: a step failed.
    """
    began = time.perf_counter()
    _prepare(out)
    demo = Demo(out)
    facts: dict[str, Any] = {}
    _corpus(demo, facts)
    _pretraining(demo, facts)
    _finetuning(demo, facts)
    demo.announce("fill a mask")
    run = out / "run"
    facts["fill_mask"] = [
        (text, json.loads(demo.call("cn-bert", "fill-mask", "--model", run / "export", "--json", text, quiet=True)))
        for text in SENTENCES
    ]
    facts["seconds"] = time.perf_counter() - began
    facts["timings"], facts["commands"] = demo.timings, demo.commands
    page = write_page(out, facts)
    print(
        f"\nDone in {facts['seconds']:.0f} s. The page about this run: {page}\n"
        f"The model: {run / 'export'} (loads in transformers as it is)\n"
        f'Next: cn-bert fill-mask --model {run / "export"} "今天天气真[MASK]。"',
        file=sys.stderr,
    )


def _prepare(out: Path) -> None:
    if out.exists():
        if any(out.iterdir()) and not (out / MARKER).is_file():
            raise OutputError(f"{out}: holds something that no demo made. Remove it, or choose another --out")
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / MARKER).touch()
    shutil.copytree(str(files("cn_bert") / "demo" / "sample"), out / "sample")


def _corpus(demo: Demo, facts: dict[str, Any]) -> None:
    out, text = demo.out, demo.sample / "documents.jsonl"
    lists = sorted((demo.sample / "entities").glob("*.txt"))
    demo.announce("a vocabulary from the text")
    demo.call("corpus-tools", "vocab", text, "--size", "4000", "--out", out / "vocab")
    demo.announce("shards with words, sentences and entities marked")
    entities = [word for path in lists for word in ("--entities", path)]
    demo.call(
        "corpus-tools", "build", text, "--vocab", out / "vocab", "--out", out / "shards", *entities, "--workers", "2"
    )
    demo.announce("what the masks look like, and whether they keep their promises")
    demo.call("corpus-tools", "preview", out / "shards", "--masking", "entity", "--n", "2")
    facts["audits"] = {
        name: json.loads(
            demo.call(
                "corpus-tools", "audit", out / "shards", "--masking", name, "--row-tokens", "128", "--json", quiet=True
            )
        )
        for name in ("char", "wwm", "entity")
    }
    facts["stats"] = json.loads(demo.call("corpus-tools", "stats", out / "shards", "--json", quiet=True))


def _pretraining(demo: Demo, facts: dict[str, Any]) -> None:
    run = demo.out / "run"
    sets = (
        "schedule=adamw",
        "model=tiny",
        "optimizer.peak_lr=5e-4",
        "dropout=0.0",
        f"stages=[{{steps: {STEPS}, row_tokens: 128, batch_rows: 32}}]",
        f"checkpoint.every_steps={EVERY}",
        "evaluate.every_steps=40",
        "held_out=0.05",
    )
    words: list[str | Path] = ["pretrain", "bert_wwm", "--data", demo.out / "shards", "--out", run, "--nproc", "2"]
    words += [word for change in sets for word in ("--set", change)]
    demo.announce("pre-train with DeepSpeed on two ranks, and kill the run half-way (kill -9)")
    facts["killed_at"] = demo.call_and_kill(run, STEPS // 2 + EVERY // 2, *words)
    demo.announce("the same command again: it goes on from the last checkpoint")
    demo.call("cn-bert", *words)
    facts["log"] = read_log(run / "log.jsonl")
    demo.announce("are the checkpoints whole?")
    demo.call("cn-bert", "verify", run)


def _finetuning(demo: Demo, facts: dict[str, Any]) -> None:
    model = demo.out / "run" / "export"
    demo.announce("fine-tune a classifier: from this model, and from random weights")
    facts["reviews"] = _finetune(demo, "reviews", model, "reviews", "--seeds", "2")
    facts["reviews_scratch"] = _finetune(
        demo, "reviews", model, "reviews-from-scratch", "--seeds", "2", "--from-scratch"
    )
    demo.call("cn-bert", "predict", "--model", demo.out / "reviews", "--text", "房间干净，服务也周到，下次还会来。")
    demo.announce("fine-tune a reader that finds answers in a passage")
    facts["questions"] = _finetune(demo, "questions", model, "reader")


def _finetune(demo: Demo, task: str, model: Path, out: str, *more: str) -> dict[str, Any]:
    folder = demo.sample / task
    options: tuple[str | Path, ...] = ("--model", model, "--data", folder, "--out", demo.out / out, *more, "--json")
    found: dict[str, Any] = json.loads(demo.call("cn-bert", "finetune", folder / "task.yaml", *options, quiet=True))
    return found


def _line(program: str, words: Sequence[str | Path]) -> list[str]:
    module = {"cn-bert": "cn_bert", "corpus-tools": "corpus_tools"}[program]
    return [sys.executable, "-m", module, *map(str, words)]


def _environment() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1"}


def _quoted(word: str) -> str:
    return f"'{word}'" if any(letter in word for letter in " []{}") else word


def _last_step(run: Path) -> int:
    try:
        lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return 0
    for line in reversed(lines):
        try:
            found = json.loads(line)
        except ValueError:  # the last line is being written
            continue
        if "loss" in found:
            return int(found["step"])
    return 0
