"""Model FLOPs against PyTorch's own counter, peaks by name and by measure, and what a meter makes of them."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from cn_bert.config import ModelSettings, load_recipe
from cn_bert.layout import Layout
from cn_bert.micro_batch import MicroBatch
from cn_bert.models import FAMILIES, build_model
from cn_bert.objectives import Mlm, NextSentence
from cn_bert.training import meter, peak
from cn_bert.training.engine import Ranks
from cn_bert.training.flops import ModelFlops
from cn_bert.training.meter import Meter, room
from cn_bert.training.peak import find_peak

SETTINGS = ModelSettings(num_hidden_layers=3, hidden_size=32, num_attention_heads=4, intermediate_size=80)
VOCABULARY_SIZE = 97
CPU = torch.device("cpu")


def batch_of(lengths: list[int], n_masked: int) -> MicroBatch:
    bounds = np.cumsum([0, *lengths])
    n_tokens, draw = int(bounds[-1]), torch.Generator().manual_seed(1)
    return MicroBatch(
        input_ids=torch.randint(VOCABULARY_SIZE, (1, n_tokens), generator=draw),
        token_type_ids=torch.zeros(1, n_tokens, dtype=torch.long),
        position_ids=torch.cat([torch.arange(length) for length in lengths])[None],
        layout=Layout.of(bounds),
        masked_positions=torch.randperm(n_tokens, generator=draw)[:n_masked],
        labels=torch.randint(VOCABULARY_SIZE, (n_masked,), generator=draw),
        cls_positions=torch.from_numpy(bounds[:-1]),
        is_next=torch.ones(len(lengths), dtype=torch.long),
        n_real_tokens=n_tokens,
    )


def counted_by_torch(family: str, batch: MicroBatch, *, pairs: bool) -> int:
    """Run transformers' model on the sequences one by one, without any filling, and let PyTorch count its products."""
    model = build_model(SETTINGS.model_copy(update={"family": family}), VOCABULARY_SIZE, 0, 0.0)
    model.set_attn_implementation("eager")
    pooler, model.base_model.pooler = model.base_model.pooler, None  # it would pool each sequence, asked or not
    with FlopCounterMode(display=False) as counter:
        parts = [
            model.base_model(input_ids=batch.input_ids[:, start:end]).last_hidden_state[0]
            for start, end in pairwise(batch.layout.bounds)
        ]
        hidden = torch.cat(parts)
        loss = cross_entropy(model.cls.predictions(hidden[batch.masked_positions]), batch.labels)
        if pairs:
            loss = loss + model.cls.seq_relationship(pooler(hidden[batch.cls_positions][:, None])).sum()
        loss.backward()
    return counter.get_total_flops()


@pytest.mark.parametrize("family", sorted(FAMILIES))
@pytest.mark.parametrize(("lengths", "n_masked"), [([5, 12, 3], 4), ([40], 9), ([7, 7, 30, 1], 1)])
def test_model_flops_are_those_that_torch_counts_sequence_by_sequence(
    family: str, lengths: list[int], n_masked: int
) -> None:
    """Exactly: both count products alone, and only the products of attention differ from row to row."""
    batch = batch_of(lengths, n_masked)
    flops = ModelFlops.of(SETTINGS, VOCABULARY_SIZE).training([batch], [Mlm(), NextSentence()])
    assert flops == counted_by_torch(family, batch, pairs=True)


def test_a_head_that_no_objective_reads_costs_nothing() -> None:
    batch = batch_of([9, 4], 3)
    flops = ModelFlops.of(SETTINGS, VOCABULARY_SIZE)
    assert flops.training([batch], [Mlm()]) == counted_by_torch("bert", batch, pairs=False)
    assert flops.training([batch], [Mlm()]) < flops.training([batch], [Mlm(), NextSentence()])


@pytest.mark.parametrize(
    ("name", "precision", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", "bf16", 989.4),
        ("NVIDIA H100 PCIe", "bf16", 756.0),
        ("NVIDIA H200", "fp32", 66.9),
        ("NVIDIA A100-SXM4-80GB", "bf16", 312.0),
        ("NVIDIA A100 80GB PCIe", "fp32", 19.5),
        ("Tesla V100-SXM2-16GB", "fp32", 15.7),
        ("NVIDIA L4", "bf16", 121.0),
        ("NVIDIA L40S", "bf16", 362.1),
        ("NVIDIA GeForce RTX 4090", "bf16", 165.2),
    ],
)
def test_a_known_card_has_the_peak_of_its_data_sheet(
    name: str, precision: str, tera: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    found = find_peak(torch.device("cuda"), precision)
    assert (found.flops, found.measured) == (pytest.approx(1e12 * tera), False)
    assert str(found).endswith("TFLOP/s (data sheet)")


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "bf16"),
        ("NVIDIA GeForce RTX 4090 D", "bf16"),
        ("Tesla V100-SXM2-16GB", "bf16"),
        ("Radeon", "fp32"),
    ],
)
def test_a_part_of_a_card_and_an_unknown_one_are_measured(
    name: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    monkeypatch.setattr(peak, "_measure", lambda device, dtype: 5e11)
    found = find_peak(torch.device("cuda"), precision)
    assert (found.flops, found.measured, str(found)) == (5e11, True, "500 GFLOP/s (measured)")


def test_a_processor_is_measured() -> None:
    found = find_peak(CPU, "fp32")
    assert found.measured
    assert found.flops > 1e8


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A meter of one rank whose device makes 1,000,000 operations a second, and its clock."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(meter.time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(meter, "find_peak", lambda device, precision: peak.Peak(1e6, True))
    stages = "stages=[{steps: 4, row_tokens: 8, batch_rows: 3}, {steps: 2, row_tokens: 16, batch_rows: 5}]"
    clock.recipe = load_recipe("bert_wwm", [stages, "precision=fp32"]).recipe
    clock.meter = Meter(clock.recipe, VOCABULARY_SIZE, Ranks(0, 1, CPU))
    return clock


def test_a_meter_counts_from_one_report_to_the_next(timed: SimpleNamespace) -> None:
    batch, objectives = batch_of([5, 8], 2), [Mlm()]
    step = SimpleNamespace(micro_batches=[batch, batch])
    cost = 2 * ModelFlops.of(timed.recipe.model, VOCABULARY_SIZE).training([batch], objectives)
    for seconds in (1e4, 2e4):
        for _ in range(3):
            timed.meter.add(step, objectives, 26)
        timed.now += seconds
        found = timed.meter.read()
        assert found["tokens_per_second"] == round(3 * 26 / seconds, 1)
        assert found["mfu"] == pytest.approx(3 * cost / seconds / 1e6, abs=1e-4)
    timed.meter.add(step, objectives, 26)
    timed.now += 5
    timed.meter.restart()
    timed.now += 1
    assert timed.meter.read() == {"tokens_per_second": 0.0, "mfu": 0.0}


def test_the_room_of_steps_and_the_time_they_will_take(timed: SimpleNamespace) -> None:
    rooms = [24, 24, 24, 24, 80, 80]
    for first in range(7):
        for last in range(first, 7):
            assert room(timed.recipe, first, last) == sum(rooms[first:last])
    # Rows have been half full: 24 of 48; 48 + 160 places are left, so 104 tokens, 2 a second.
    assert timed.meter.seconds_left(2, 6, 24, 2.0) == 52.0
