import threading
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from small_corpus import CLS, MASK, SEP, CoinMasker, make_mixture

from cn_bert.data.batches import StepData, count, held_out_batches
from cn_bert.data.rows import build_sequence
from cn_bert.data.sequences.pairs import NspPairs
from cn_bert.data.sequences.sentences import DocSentences
from cn_bert.data.steps import Plans, Steps
from cn_bert.micro_batch import Shape

FILLER = (CLS, SEP)


def make_plans(folder, kind=None):
    return Plans(make_mixture(), kind or NspPairs(), seed=3, row_tokens=64, folder=folder)


def make_data(folder, *, rank=0, world=1, micro_rows=2, batch_rows=5, masker=None, kind=None, shape=None):
    steps = Steps(make_plans(folder, kind), batch_rows=batch_rows)
    drawn_by = masker or CoinMasker()
    return StepData(
        make_mixture(), steps, lambda step: drawn_by, micro_rows=micro_rows, rank=rank, world=world, shape=shape
    )


def sequences(batch):
    """Take a micro-batch apart: (masked ids, original ids, segments, label) of each sequence that is no filler."""
    masked = batch.input_ids[0].numpy().copy()
    original = masked.copy()
    original[batch.masked_positions.numpy()] = batch.labels.numpy()
    bounds = batch.layout.cu_seqlens.tolist()
    found = [
        (
            tuple(masked[start:end].tolist()),
            tuple(original[start:end].tolist()),
            tuple(batch.token_type_ids[0, start:end].tolist()),
            label,
        )
        for start, end, label in zip(bounds, bounds[1:], batch.is_next.tolist(), strict=False)
    ]
    return [one for one in found if one[1] != FILLER]


def taken_apart(step):
    return Counter(one for batch in step.micro_batches for one in sequences(batch))


def test_tensors_of_a_micro_batch_describe_the_same_sequences(tmp_path):
    data = make_data(tmp_path, micro_rows=3)

    for batch in data.step(0).micro_batches:
        n_tokens = batch.input_ids.shape[1]
        bounds = batch.layout.cu_seqlens
        assert bounds.dtype == torch.int32
        assert batch.token_type_ids.shape == batch.position_ids.shape == (1, n_tokens)
        assert bounds[0] == 0
        assert bounds[-1] == n_tokens == batch.n_real_tokens
        assert (batch.input_ids[0, batch.cls_positions] == CLS).all()
        assert batch.cls_positions.tolist() == bounds[:-1].tolist()
        positions = [place for start, end in pairwise(bounds) for place in range(end - start)]
        assert batch.position_ids[0].tolist() == positions
        assert (batch.input_ids[0, batch.masked_positions] == MASK).all()
        assert (batch.input_ids == MASK).sum() == batch.labels.numel()
        assert not torch.isin(batch.labels, torch.tensor([CLS, SEP])).any()


def test_a_step_holds_the_sequences_of_its_rows(tmp_path):
    data, mixture, plans = make_data(tmp_path), make_mixture(), make_plans(tmp_path)
    steps = Steps(plans, batch_rows=5)

    for number in (0, 3):
        expected = Counter()
        for epoch, row in steps.rows_of_step(number):
            plan = plans.plan(epoch)
            for member in plan.row(row):
                made = build_sequence(mixture, plan, member)
                expected[(tuple(made.ids.tolist()), tuple(made.token_types.tolist()), made.is_next)] += 1
        found = taken_apart(data.step(number))
        assert Counter({key[1:]: times for key, times in found.items()}) == expected


@pytest.mark.parametrize("micro_rows", [1, 2, 5])
@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_ranks_and_micro_rows_change_neither_sequences_nor_masks(tmp_path, world, micro_rows):
    alone = make_data(tmp_path, micro_rows=5)
    ranks = [make_data(tmp_path, rank=rank, world=world, micro_rows=micro_rows) for rank in range(world)]

    for number in range(12):
        whole, parts = alone.step(number), [data.step(number) for data in ranks]
        assert sum((taken_apart(part) for part in parts), Counter()) == taken_apart(whole)
        assert len({len(part.micro_batches) for part in parts}) == 1
        assert sum(part.n_real_tokens for part in parts) == whole.n_real_tokens
        for name, total in whole.counts.items():
            assert sum(part.counts[name] for part in parts) == total


def test_every_sequence_of_an_epoch_is_masked_once_whatever_the_step_size(tmp_path):
    plan = make_plans(tmp_path).plan(0)
    keys = []
    for world, batch_rows in ((1, 5), (2, 5), (3, 8)):
        maskers = [CoinMasker() for _ in range(world)]
        ranks = [
            make_data(tmp_path, rank=rank, world=world, batch_rows=batch_rows, masker=masker)
            for rank, masker in enumerate(maskers)
        ]
        for number in range(-(-plan.n_rows // batch_rows)):
            for data in ranks:
                data.step(number)
        keys.append(sorted(key for masker in maskers for key in masker.keys if key[1] == 0))

    assert keys == [[(3, 0, number) for number in range(plan.n_sequences)]] * 3


def test_fillers_predict_nothing_and_count_nothing(tmp_path):
    step = make_data(tmp_path, rank=6, world=7).step(0)

    (batch,) = step.micro_batches
    assert tuple(batch.input_ids[0].tolist()) == FILLER
    assert batch.is_next.tolist() == [-1]
    assert step.counts == {"mlm": 0, "pair": 0}
    assert step.n_real_tokens == 0
    assert (batch.masked_positions.dtype, batch.labels.dtype) == (torch.long, torch.long)


def test_micro_batches_filled_up_have_one_shape_and_hold_and_count_the_same(tmp_path):
    plain, filled = make_data(tmp_path, micro_rows=3), make_data(tmp_path, micro_rows=3, shape=Shape(3, 64))

    for number in range(4):
        wanted, found = plain.step(number), filled.step(number)
        assert (found.counts, found.n_real_tokens) == (wanted.counts, wanted.n_real_tokens)
        for free, fixed in zip(wanted.micro_batches, found.micro_batches, strict=True):
            n_tokens = free.input_ids.shape[1]
            assert fixed.input_ids.shape == fixed.token_type_ids.shape == fixed.position_ids.shape == (1, 3 * 64)
            assert (fixed.input_ids[0, n_tokens:] == make_mixture().vocabulary.pad_id).all()
            assert fixed.bounds.tolist() == free.layout.bounds.tolist()
            assert fixed.layout.longest == 64 >= np.diff(fixed.layout.cu_seqlens).max()
            assert fixed.layout.cu_seqlens[-1] == 3 * 64
            assert np.unique(fixed.layout.cu_seqlens).tolist() == fixed.layout.bounds.tolist()
            for name in ("input_ids", "token_type_ids", "position_ids"):
                assert torch.equal(getattr(fixed, name)[:, :n_tokens], getattr(free, name))
            for name in ("masked_positions", "labels", "cls_positions", "is_next"):
                assert torch.equal(getattr(fixed, name), getattr(free, name))


def test_sequences_without_a_label_count_no_pair(tmp_path):
    step = make_data(tmp_path, kind=DocSentences()).step(0)

    assert step.counts["pair"] == 0
    assert step.counts["mlm"] > 0
    assert {label for batch in step.micro_batches for label in batch.is_next.tolist()} == {-1}


def test_a_run_that_goes_on_in_the_middle_meets_the_same_steps(tmp_path):
    through = [taken_apart(step) for step in make_data(tmp_path / "one").iterate(0, 12)]

    resumed = [taken_apart(step) for step in make_data(tmp_path / "two").iterate(7, 12)]

    assert resumed == through[7:]


@pytest.mark.parametrize("ahead", [0, 1, 4, 50])
def test_steps_made_ahead_come_in_order_and_all(tmp_path, ahead):
    assert [step.step for step in make_data(tmp_path).iterate(2, 9, ahead=ahead)] == list(range(2, 9))


def test_no_steps_are_no_batches(tmp_path):
    assert list(make_data(tmp_path).iterate(4, 4)) == []


def test_what_fails_in_the_thread_is_raised_at_its_step(tmp_path):
    class Failing(CoinMasker):
        def draw(self, ids, flags, key):
            if len(self.keys) > 40:
                raise RuntimeError("no mask")
            return super().draw(ids, flags, key)

    steps = make_data(tmp_path, masker=Failing()).iterate(0, 1000)

    assert next(steps).step == 0
    with pytest.raises(RuntimeError, match="no mask"):
        list(steps)


def test_closing_the_iterator_ends_its_thread(tmp_path):
    steps = make_data(tmp_path).iterate(0, 1_000_000)
    next(steps)

    steps.close()

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def held_out(folder, *, rank=0, world=1, micro_rows=2, max_rows=3, share=0.3):
    mixture = make_mixture(held_out=share)
    return mixture, list(
        held_out_batches(
            mixture,
            NspPairs(),
            CoinMasker(),
            row_tokens=64,
            max_rows=max_rows,
            micro_rows=micro_rows,
            folder=folder,
            rank=rank,
            world=world,
        )
    )


def test_held_out_rows_are_fixed_and_of_held_out_text_alone(tmp_path):
    mixture, batches = held_out(tmp_path / "one", max_rows=1000)
    _, again = held_out(tmp_path / "two", max_rows=1000, micro_rows=7)

    found = sum((Counter(sequences(batch)) for batch in batches), Counter())
    text = np.concatenate([mixture.ids(document) for document in mixture.held_out_documents])
    seen = {token for _, original, _, _ in found for token in original} - {CLS, SEP}
    assert found == sum((Counter(sequences(batch)) for batch in again), Counter())
    assert seen <= set(text.tolist())
    assert count(batches)["mlm"] > 0


def test_held_out_rows_are_shared_among_ranks(tmp_path):
    _, alone = held_out(tmp_path)
    parts = [held_out(tmp_path, rank=rank, world=2)[1] for rank in range(2)]

    assert [len(part) for part in parts] == [1, 1]
    assert sum((Counter(sequences(b)) for part in parts for b in part), Counter()) == sum(
        (Counter(sequences(b)) for b in alone), Counter()
    )


def test_nothing_is_scored_where_nothing_is_held_out(tmp_path):
    assert held_out(tmp_path, share=0)[1] == []
