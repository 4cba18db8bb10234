"""Losses beside transformers' own, and the two ways to label a pair."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cn_bert.config import ModelSettings
from cn_bert.layout import Layout
from cn_bert.micro_batch import MicroBatch
from cn_bert.models import FAMILIES, build_model
from cn_bert.objectives import OBJECTIVES, Mlm, NextSentence, Pair, build_objectives
from cn_bert.stage_settings import ObjectiveSettings
from cn_bert.training.module import PretrainingModule
from corpus_tools.errors import SettingsError

SHAPE = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
LENGTHS = [9, 40, 17, 33]
N_IDS = 60


def small(family: str) -> torch.nn.Module:
    torch.manual_seed(5)
    return build_model(ModelSettings(family=family, initializer_range=0.2, **SHAPE), N_IDS, 0, dropout=0.0)


def batch(is_next: list[int]) -> tuple[MicroBatch, torch.Tensor]:
    """Return a packed batch of four sequences and transformers' labels for it: -100 where nothing is masked. [T]"""
    torch.manual_seed(6)
    bounds = torch.tensor([0, *LENGTHS]).cumsum(0)
    n = int(bounds[-1])
    original = torch.randint(1, N_IDS, (n,))
    masked = torch.randperm(n)[:20].sort().values
    corrupted = original.clone()
    corrupted[masked] = 3
    segments = torch.cat([torch.arange(length) >= length // 2 for length in LENGTHS]).long()
    labels = torch.full((n,), -100)
    labels[masked] = original[masked]
    made = MicroBatch(
        input_ids=corrupted[None],
        token_type_ids=segments[None],
        position_ids=torch.cat([torch.arange(length) for length in LENGTHS])[None],
        layout=Layout.of(bounds.numpy()),
        masked_positions=masked,
        labels=original[masked],
        cls_positions=bounds[:-1],
        is_next=torch.tensor(is_next),
        n_real_tokens=n,
    )
    return made, labels


def unpacked(made: MicroBatch, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Lay the sequences out as transformers expects them: one a row, filled up with padding."""
    rows = {
        "input_ids": (made.input_ids[0], 0),
        "token_type_ids": (made.token_type_ids[0], 0),
        "labels": (labels, -100),
    }
    laid = {
        name: torch.nn.utils.rnn.pad_sequence(list(values.split(LENGTHS)), batch_first=True, padding_value=fill)
        for name, (values, fill) in rows.items()
    }
    lengths = torch.tensor(LENGTHS)
    return {**laid, "attention_mask": (torch.arange(max(LENGTHS))[None] < lengths[:, None]).long()}


@pytest.mark.parametrize("family", FAMILIES)
def test_mlm_and_nsp_are_transformers_own_loss_on_the_unpacked_batch(family: str) -> None:
    model = small(family).eval()
    made, labels = batch([1, 0, 0, 1])
    objectives = [Mlm(), NextSentence()]
    scales = {"mlm": 1 / made.labels.numel(), "nsp": 1 / len(LENGTHS)}
    loss, sums = PretrainingModule(model, torch.float32)(made, objectives, scales)
    loss.backward()
    ours = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}

    model.zero_grad()
    model.set_attn_implementation("eager")
    theirs = model(**unpacked(made, labels), next_sentence_label=1 - made.is_next)
    theirs.loss.backward()

    assert loss.item() == pytest.approx(theirs.loss.item(), rel=1e-5)
    right = theirs.prediction_logits.argmax(-1) == unpacked(made, labels)["labels"]
    assert float(sums[0, 1]) == int(right.sum())
    assert float(sums[1, 1]) == int((theirs.seq_relationship_logits.argmax(-1) == 1 - made.is_next).sum())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, atol=1e-5, rtol=1e-4, msg=name)


def test_only_masked_positions_reach_the_vocabulary() -> None:
    model = small("bert")
    made, _ = batch([1, 0, 0, 1])
    seen = []
    model.cls.predictions.transform.register_forward_hook(lambda module, given, out: seen.append(out.shape))
    Mlm().loss(model, torch.randn(sum(LENGTHS), 32), made)
    assert seen == [(20, 32)]


def test_a_batch_with_nothing_masked_costs_nothing() -> None:
    made, _ = batch([-1, -1, -1, -1])
    nothing = torch.zeros(0, dtype=torch.long)
    made = replace(made, masked_positions=nothing, labels=nothing)
    model = small("bert")
    for objective in (Mlm(), NextSentence(), Pair()):
        total, right = objective.loss(model, torch.randn(sum(LENGTHS), 32, requires_grad=True), made)
        assert (total.item(), int(right)) == (0.0, 0)
        total.backward()


def test_the_same_pair_is_0_for_bert_and_1_for_ernie() -> None:
    """Facts of the plan: 1 continues, 0 random, -1 is no pair (sources in objectives/pair.py)."""
    facts = torch.tensor([1, 0, -1])
    assert NextSentence().labels(facts).tolist() == [0, 1, -1]
    assert Pair().labels(facts).tolist() == [1, 0, -1]


def test_a_model_sure_of_label_0_is_right_about_berts_continuations_and_ernies_random_ones() -> None:
    model = small("bert")
    with torch.no_grad():
        model.cls.seq_relationship.weight.zero_()
        model.cls.seq_relationship.bias.copy_(torch.tensor([9.0, -9.0]))
    hidden = torch.randn(sum(LENGTHS), 32)
    for is_next, bert, ernie in (([1, 1, 1, 0], 3, 1), ([1, -1, 0, 0], 1, 2)):
        made, _ = batch(is_next)
        assert int(NextSentence().loss(model, hidden, made)[1]) == bert
        assert int(Pair().loss(model, hidden, made)[1]) == ernie


def test_a_sequence_without_label_is_left_out_of_the_sum() -> None:
    model = small("bert")
    hidden = torch.randn(sum(LENGTHS), 32)
    each = [NextSentence().loss(model, hidden, batch(one)[0])[0].item() for one in ([1, -1, -1, -1], [-1, -1, 0, -1])]
    both = NextSentence().loss(model, hidden, batch([1, -1, 0, -1])[0])[0].item()
    assert both == pytest.approx(sum(each), rel=1e-6)


def test_objectives_are_built_by_name_with_their_weight() -> None:
    built = build_objectives([ObjectiveSettings(name="mlm", weight=0.5), ObjectiveSettings(name="pair")])
    assert [(one.name, one.weight, one.counts) for one in built] == [("mlm", 0.5, "mlm"), ("pair", 1.0, "pair")]
    assert all(kind.name == name for name, kind in OBJECTIVES.items())


def test_two_pair_objectives_are_refused() -> None:
    with pytest.raises(SettingsError, match="share one head and label it the other way round; keep one"):
        build_objectives([ObjectiveSettings(name="nsp"), ObjectiveSettings(name="pair")])


def test_an_unknown_objective_names_the_near_one() -> None:
    with pytest.raises(SettingsError, match=r"'nps' is not known. Did you mean 'nsp'\?"):
        build_objectives([ObjectiveSettings(name="nps")])
