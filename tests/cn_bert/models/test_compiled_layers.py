"""Compiled layers: one graph for all of them and for every micro-batch, and the numbers of layers that are not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters
from torch.autograd.graph import saved_tensors_hooks

from cn_bert.config import ModelSettings
from cn_bert.data.batches import count
from cn_bert.layout import Layout
from cn_bert.micro_batch import MicroBatch, Shape
from cn_bert.models import FAMILIES, build_model, checkpoint_activations
from cn_bert.models.compiled import attend, compile_layers
from cn_bert.models.grouped_attention import grouped_attention
from cn_bert.objectives import Mlm, NextSentence
from cn_bert.training.engine import Ranks
from cn_bert.training.loop import global_counts, scales_of
from cn_bert.training.module import PretrainingModule
from corpus_tools.errors import SettingsError

SETTINGS = {"num_hidden_layers": 3, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
SHAPE = Shape(rows=4, row_tokens=64)
LENGTHS = [[30, 33, 1, 60, 3, 64], [64, 64, 64, 64], [9]]
"""Of the sequences of some micro-batches, to be filled up to one shape."""
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def compiled_anew() -> Iterator[None]:
    """Forget what other tests compiled."""
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def batch_of(lengths: list[int]) -> MicroBatch:
    bounds = np.cumsum([0, *lengths])
    n_tokens, draw = int(bounds[-1]), torch.Generator().manual_seed(1)
    masked = torch.arange(0, n_tokens, 4)
    return MicroBatch(
        input_ids=torch.randint(1, 90, (1, n_tokens), generator=draw),
        token_type_ids=torch.randint(0, 2, (1, n_tokens), generator=draw),
        position_ids=torch.cat([torch.arange(length) for length in lengths])[None],
        layout=Layout.of(bounds),
        masked_positions=masked,
        labels=torch.randint(1, 90, masked.shape, generator=draw),
        cls_positions=torch.from_numpy(bounds[:-1]),
        is_next=torch.arange(len(lengths)) % 3 - 1,
        n_real_tokens=n_tokens,
    )


def module_of(
    family: str = "bert",
    *,
    compute: torch.dtype = torch.float32,
    dropout: float = 0.0,
    again: bool = False,
    by: str = "",
) -> PretrainingModule:
    torch.manual_seed(3)
    model = build_model(ModelSettings(family=family, **SETTINGS), 90, 0, dropout)
    if again:
        checkpoint_activations(model)
    if by:
        compile_layers(model, CPU, by)
    return PretrainingModule(model, compute).train()


def train_on(module: PretrainingModule, batch: MicroBatch) -> tuple[float, torch.Tensor]:
    module.zero_grad()
    loss, _ = module(batch, [Mlm(), NextSentence()], {"mlm": 0.02, "nsp": 0.3})
    loss.backward()
    return loss.item(), torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])


def assert_near(found: tuple[float, torch.Tensor], wanted: tuple[float, torch.Tensor]) -> None:
    assert found[0] == pytest.approx(wanted[0], rel=1e-6)
    torch.testing.assert_close(found[1], wanted[1], rtol=0, atol=1e-6 * wanted[1].norm().item())


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_losses_and_gradients_are_those_of_layers_that_are_not_compiled(family: str, again: bool) -> None:
    plain, compiled = module_of(family), module_of(family, again=again, by="aot_eager")
    for lengths in LENGTHS:
        batch = batch_of(lengths)
        assert_near(train_on(compiled, batch.filled(SHAPE, 0)), train_on(plain, batch))


def test_in_bf16_they_are_near() -> None:
    batch, compute = batch_of(LENGTHS[0]), torch.bfloat16
    wanted = train_on(module_of(compute=compute), batch)
    found = train_on(module_of(compute=compute, by="aot_eager"), batch.filled(SHAPE, 0))
    assert found[0] == pytest.approx(wanted[0], rel=1e-3)
    assert torch.cosine_similarity(found[1], wanted[1], dim=0) > 0.9999


def test_all_layers_and_micro_batches_share_a_graph() -> None:
    module = module_of(dropout=0.1, by="aot_eager")
    train_on(module, batch_of(LENGTHS[0]).filled(SHAPE, 0))
    with torch._dynamo.config.patch(error_on_recompile=True):
        for lengths in ([60, 50, 40, 30, 20], [34] * 7, [64, 64, 60, 1, 1], [9]):
            train_on(module, batch_of(lengths).filled(SHAPE, 0))
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


def test_a_form_with_room_for_more_sequences_is_compiled_once_more() -> None:
    module = module_of(by="aot_eager")
    for lengths in ([30] * 6, [12] * 20, [30] * 6, [12] * 20):
        train_on(module, batch_of(lengths).filled(SHAPE, 0))
    assert counters["stats"]["unique_graphs"] == 2


def test_names_of_parameters_stay() -> None:
    plain, compiled = module_of(), module_of(by="aot_eager")
    assert list(compiled.state_dict()) == list(plain.state_dict())
    assert [name for name, _ in compiled.named_modules()] == [name for name, _ in plain.named_modules()]


@torch.no_grad()
def test_what_is_scored_is_not_compiled_and_has_the_same_bits() -> None:
    batch, scales = batch_of(LENGTHS[0]), {"mlm": 1.0}
    plain, compiled = (module_of(by=by).eval()(batch, [Mlm()], scales)[1] for by in ("", "aot_eager"))
    assert torch.equal(plain, compiled)
    assert not counters["stats"]["unique_graphs"]


def test_dropout_is_drawn_from_the_generator() -> None:
    module, batch = module_of(dropout=0.3, by="aot_eager"), batch_of(LENGTHS[0]).filled(SHAPE, 0)
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(train_on(module, batch)[0])
    assert losses[0] == losses[1] != losses[2]


def test_less_is_kept_where_layers_are_computed_again() -> None:
    batch, kept = batch_of(LENGTHS[0]).filled(SHAPE, 0), [0, 0]

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[again] += tensor.numel()
        return tensor

    for again in (False, True):
        module = module_of(again=again, by="aot_eager")
        train_on(module, batch)
        with saved_tensors_hooks(keep, lambda tensor: tensor):
            module.encode(batch)
    assert kept[1] < kept[0] / 3


def test_the_operator_is_one_that_torch_can_trust() -> None:
    torch.manual_seed(4)
    given = [torch.randn(40, 2, 8, requires_grad=True) for _ in range(3)]
    ends = torch.tensor([0, 7, 8, 40, 40, 40], dtype=torch.int32)
    torch.library.opcheck(attend, (*given, ends, 0.3))
    upper = torch.randn(40, 2, 8)
    results = []
    for attended in (
        attend(*given, ends, 0.3),
        grouped_attention(*given, Layout.of(ends[:4].long().numpy()).groups, 0.3),
    ):
        results.append([attended, *torch.autograd.grad(attended, given, upper)])
    for ours, theirs in zip(*results, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(("device", "variable"), [("cpu", "CXX"), ("cuda", "CC")])
def test_a_machine_without_a_compiler_is_told_so(device: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SettingsError, match=f"is not found.*name another in {variable}, or --set compile=false"):
        compile_layers(module_of().model, torch.device(device))


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("compute", [torch.float32, torch.bfloat16])
def test_compiled_by_inductor_they_are_the_same_or_near(compute: torch.dtype, again: bool) -> None:
    plain, compiled = module_of(compute=compute), module_of(compute=compute, again=again, by="inductor")
    for lengths in LENGTHS[:2]:
        batch = batch_of(lengths)
        wanted, found = train_on(plain, batch), train_on(compiled, batch.filled(SHAPE, 0))
        if compute == torch.float32:
            assert_near(found, wanted)
        assert found[0] == pytest.approx(wanted[0], rel=1e-3)
        assert torch.cosine_similarity(found[1], wanted[1], dim=0) > 0.9999


@pytest.mark.gpu
@pytest.mark.parametrize("by", ["", "inductor"])
def test_nobody_waits_for_the_gpu_in_a_micro_batch(by: str) -> None:
    gpu = torch.device("cuda")
    torch.manual_seed(3)
    model = build_model(ModelSettings(**SETTINGS), 90, 0, 0.1).to(gpu)
    if by:
        compile_layers(model, gpu, by)
    module = PretrainingModule(model, torch.bfloat16).train()
    objectives, ranks = [Mlm(), NextSentence()], Ranks(0, 1, gpu)
    batch = batch_of(LENGTHS[0]).filled(SHAPE, 0).pinned()

    def compute() -> None:
        scales = scales_of(global_counts(count([batch]), objectives, ranks), objectives, ranks)
        module(batch.to(gpu), objectives, scales)[0].backward()

    compute()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        compute()
    finally:
        torch.cuda.set_sync_debug_mode("default")
