"""The example of the READMEs runs as it stands there, on a folder of text and a vocabulary."""

from __future__ import annotations

import re
from pathlib import Path

import datasets
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from corpus_tools.encode.train import train_vocabulary

ROOT = Path(__file__).parents[2]
LINES = ["雨停了，院子里的桂花落了一地。", "列车准时到达，乘客陆续下车。", "", "医生建议他每天散步半小时。"] * 5


def example(readme):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / readme).read_text("utf-8"), re.DOTALL)
    (found,) = (block for block in blocks if "WholeWordCollator" in block)
    return found


def test_the_example_runs_and_leaves_a_model(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "lines.txt").write_text("\n".join(LINES), "utf-8")
    train_vocabulary(LINES, 200).save(tmp_path / "vocab")

    exec(compile(example("README.md"), "README.md", "exec"), {"__name__": "__main__"})

    tokenizer = AutoTokenizer.from_pretrained("runs/lines/model")
    model = AutoModelForMaskedLM.from_pretrained("runs/lines/model")
    assert model.config.vocab_size == len(tokenizer) == len(AutoTokenizer.from_pretrained("vocab"))


def test_the_translation_has_the_same_code():
    here, there = (re.sub(r"  # .*", "", example(readme)) for readme in ("README.md", "README.zh-CN.md"))
    assert here == there
