"""The sides of the pre-training step, each in a process of its own: ours, and transformers' Trainer."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
from step_data import Sequences, recipe_of, sequences_of, step_data
from step_profile import profile
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import BertConfig, BertForMaskedLM, Trainer, TrainerCallback, TrainingArguments

from cn_bert.accelerator import name_accelerator
from cn_bert.data.batches import StepBatch
from cn_bert.training import memory
from cn_bert.training.machine import now
from corpus_tools.shards.read import open_shards


def dropout_of(line: str) -> float:
    return float(line.split("dropout ")[1].split(",")[0])


def set_dropout(model: nn.Module, p: float) -> None:
    """Set hidden dropout; that of attention, which packed attention has none of, stays 0."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout) and not name.endswith("attention.self.dropout"):
            module.p = p


class OurSide:
    """The step of `cn-bert pretrain`, one rank."""

    def __init__(self, args: argparse.Namespace, *, compiled: bool) -> None:
        name_accelerator()
        from cn_bert.models import build_model
        from cn_bert.models.compiled import compile_layers
        from cn_bert.objectives import build_objectives
        from cn_bert.training.engine import fill_ds_config, make_engine, read_ds_config, start_ranks
        from cn_bert.training.module import PretrainingModule
        from cn_bert.training.optim import build_optimizer
        from cn_bert.training.peak import find_peak
        from cn_bert.training.precision import DTYPES, resolve_precision

        self.args, self.recipe, self.compiled = args, recipe_of(args), compiled
        self.ranks = start_ranks()
        self.device = self.ranks.device
        self.data = step_data(args, filled=compiled, pinned=self.device.type == "cuda")
        self.objectives = build_objectives(self.recipe.objectives)
        torch.manual_seed(0)
        vocabulary = open_shards(args.shards).vocabulary
        self.n_entries = args.entries or vocabulary.size
        model = build_model(self.recipe.model, self.n_entries, vocabulary.pad_id, 0.1).to(self.device)
        self.precision = resolve_precision("auto", self.device)
        self.peak = find_peak(self.device, self.precision)
        self.module = PretrainingModule(model, DTYPES[self.precision])
        if compiled:
            compile_layers(model, self.device)
        optimizer = build_optimizer(model, self.recipe.optimizer)
        self.engine = make_engine(self.module, optimizer, fill_ds_config(read_ds_config(None), self.recipe, 1))
        self.seconds: dict[str, list[float]] = {}

    def answer(self, line: str) -> dict[str, Any]:
        if line == "gate":
            return gate(self.module.model, self.data.step(0), self.objectives, self.device) | {"in": self.precision}
        if line == "share":
            return self.share()
        if line.startswith("profile "):
            set_dropout(self.module, 0.1)
            return profile(lambda: self.train(2), self.device, line.removeprefix("profile "))
        set_dropout(self.module, dropout_of(line))
        memory.forget_most(self.device)
        seconds, tokens = self.train(self.args.steps, self.args.untimed)
        self.seconds.setdefault(line, []).append(seconds)
        most = memory.most_held(self.device)
        torch.cuda.empty_cache()  # the other sides' processes need it
        return {"seconds": seconds, "tokens": tokens, "bytes": most}

    def train(self, n_steps: int, n_untimed: int = 0) -> tuple[float, int]:
        """Return the seconds and the real tokens of some steps, their batches made beside them."""
        from cn_bert.training.loop import train_step

        self.module.train()
        tokens, since = 0, now(self.device)
        for number, batch in enumerate(self.data.iterate(0, n_untimed + n_steps)):
            if number == n_untimed:
                since = now(self.device)
            train_step(self.engine, batch, self.objectives, self.ranks, seed=0, step=number + 1, lr=1e-4)
            tokens += batch.n_real_tokens if number >= n_untimed else 0
        return now(self.device) - since, tokens

    def share(self) -> dict[str, Any]:
        """Say how much of the peak of matrix products each of our sides uses, by the products that the model needs."""
        from cn_bert.training.flops import ModelFlops

        batches = [self.data.step(self.args.untimed + number) for number in range(self.args.steps)]
        micro = [one for batch in batches for one in batch.micro_batches]
        flops = ModelFlops.of(self.recipe.model, self.n_entries).training(micro, self.objectives)
        rates = {name: flops / statistics.median(all) for name, all in self.seconds.items()}
        return {"peak": str(self.peak), **{name: round(rate / self.peak.flops, 3) for name, rate in rates.items()}}


def gate(model: Any, batch: StepBatch, objectives: Any, device: torch.device) -> dict[str, Any]:
    """Compare loss and gradients with transformers' own forward on the same sequences, dropout off."""
    from cn_bert.training.module import PretrainingModule

    theirs = BertForMaskedLM(BertConfig(**{**model.config.to_dict(), "attn_implementation": "sdpa"})).to(device)
    theirs.load_state_dict({k: v for k, v in model.state_dict().items() if k in theirs.state_dict()}, strict=False)
    names = [name for name, parameter in theirs.named_parameters()]
    theirs.eval()
    micro = batch.micro_batches[0]
    sequences = sequences_of(StepBatch(0, [micro], {}, 0))
    loss = theirs(**{name: value.to(device) for name, value in pad(tensors(sequences)).items()}).loss
    wanted = dict(zip(names, torch.autograd.grad(loss, list(theirs.parameters())), strict=True))
    found: dict[str, Any] = {}
    set_dropout(model, 0.0)
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        module = PretrainingModule(model, dtype).train()  # what is scored is not compiled
        ours, _ = module(micro.to(device), objectives, {"mlm": 1 / micro.labels.numel()})
        gradients = dict(
            zip(names, torch.autograd.grad(ours, [dict(model.named_parameters())[n] for n in names]), strict=True)
        )
        cosines = {
            n: torch.cosine_similarity(gradients[n].flatten().double(), wanted[n].flatten().double(), dim=0).item()
            for n in names
        }
        whole = [torch.cat([g[n].flatten() for n in names]).double() for g in (gradients, wanted)]
        found[name] = {
            "loss off by": float(f"{abs(ours.item() - loss.item()) / loss.item():.2g}"),
            "gradient's cosine": round(torch.cosine_similarity(*whole, dim=0).item(), 7),
            "least cosine of a parameter": [round(min(cosines.values()), 6), min(cosines, key=cosines.get)],
        }
    exact, rough = found["fp32"], found["bf16"]
    found["passed"] = (
        exact["loss off by"] < 1e-5 and exact["gradient's cosine"] > 0.99999 and rough["gradient's cosine"] > 0.999
    )
    return found


Tensors = list[tuple[Tensor, Tensor]]


def tensors(sequences: Sequences) -> Tensors:
    return [(torch.tensor(ids), torch.tensor(labels)) for ids, labels in sequences]


def pad(sequences: Tensors) -> dict[str, Tensor]:
    """Fill sequences up to the longest."""
    ids, labels = zip(*sequences, strict=True)
    return {
        "input_ids": pad_sequence(list(ids), batch_first=True),
        "attention_mask": pad_sequence([torch.ones_like(one) for one in ids], batch_first=True),
        "labels": pad_sequence(list(labels), batch_first=True, padding_value=-100),
    }


class TrainerSide:
    """transformers' Trainer on the same sequences, filled up."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.sequences = tensors(json.loads(Path(args.work, "sequences.json").read_text()))
        self.rows = int(args.rows.split("x")[0])
        settings = recipe_of(args).model.model_dump(exclude={"family"})
        n_entries = args.entries or open_shards(args.shards).vocabulary.size
        torch.manual_seed(0)
        self.model = BertForMaskedLM(BertConfig(vocab_size=n_entries, attn_implementation="sdpa", **settings))

    def answer(self, line: str) -> dict[str, Any]:
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout_of(line)
        first, last = self.args.untimed, self.args.untimed + self.args.steps
        clock, tokens = Clock(first, last, self.device), []

        def collate(features: list[dict[str, Tensor]]) -> dict[str, Tensor]:
            batch = pad([(feature["input_ids"], feature["labels"]) for feature in features])
            tokens.append(int(batch["attention_mask"].sum()))
            return batch

        memory.forget_most(self.device)
        with tempfile.TemporaryDirectory() as out:
            arguments = TrainingArguments(
                out,
                per_device_train_batch_size=self.rows,
                max_steps=last,
                bf16="bf16" in line,
                torch_compile="torch_compile" in line,
                train_sampling_strategy="group_by_length" if "group" in line else "random",
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
                use_cpu=self.device.type == "cpu",
            )
            rows = [{"input_ids": ids, "labels": labels} for ids, labels in self.sequences]
            trainer = Trainer(self.model, arguments, train_dataset=rows, data_collator=collate, callbacks=[clock])
            trainer.train()
        most = memory.most_held(self.device)
        torch.cuda.empty_cache()
        return {"seconds": clock.times[1] - clock.times[0], "tokens": sum(tokens[first:last]), "bytes": most}


class Clock(TrainerCallback):
    """Notes when two steps have ended."""

    def __init__(self, first: int, last: int, device: torch.device) -> None:
        self.steps, self.device = (first, last), device
        self.times: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step in self.steps:
            self.times.append(now(self.device))
