import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from small_corpus import make_mixture, make_reader

from cn_bert.data import plan as module
from cn_bert.data.mixture import Mixture
from cn_bert.data.plan import KEPT_EPOCHS, make_plan, plan_key, remembered_rows
from cn_bert.data.rows import build_sequence
from cn_bert.data.sequences.pairs import NspPairs
from cn_bert.data.sequences.sentences import DocSentences
from corpus_tools.errors import DataError, DiskError, SettingsError

ARRAYS = ("documents", "starts", "ends", "first_piece", "is_next", "packed", "first_packed")


def make(folder, *, mixture=None, kind=None, seed=3, epoch=0, row_tokens=64, part="training"):
    return make_plan(
        mixture or make_mixture(),
        kind or NspPairs(),
        seed=seed,
        epoch=epoch,
        row_tokens=row_tokens,
        folder=folder,
        part=part,
    )


def contents(plan):
    return {name: np.array(getattr(plan, name)).tolist() for name in ARRAYS}


def contents_made_elsewhere(folder):
    return contents(make(folder))


def test_every_sequence_stands_in_one_row_and_no_row_overflows(tmp_path):
    mixture = make_mixture()
    plan = make(tmp_path, mixture=mixture)

    members = [member for row in range(plan.n_rows) for member in plan.row(row)]
    lengths = [build_sequence(mixture, plan, number).ids.size for number in range(plan.n_sequences)]

    assert sorted(members) == list(range(plan.n_sequences))
    assert max(sum(lengths[member] for member in plan.row(row)) for row in range(plan.n_rows)) <= 64
    assert plan.n_tokens == sum(lengths)
    assert plan.fill == sum(lengths) / (plan.n_rows * 64)


def test_a_plan_that_is_there_is_opened_and_not_made_again(tmp_path, monkeypatch):
    first = contents(make(tmp_path))
    monkeypatch.setattr(module, "_arrays", None)

    assert contents(make(tmp_path)) == first


def test_another_process_makes_the_same_plan(tmp_path):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        elsewhere = pool.submit(contents_made_elsewhere, tmp_path / "there").result()

    assert contents(make(tmp_path / "here")) == elsewhere


def test_processes_that_share_a_folder_make_one_plan(tmp_path):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        one, two = pool.map(contents_made_elsewhere, [tmp_path, tmp_path])

    assert one == two
    assert len(list(tmp_path.glob("training-*"))) == 1


@pytest.mark.parametrize("change", [{"seed": 4}, {"epoch": 1}, {"row_tokens": 80}, {"kind": NspPairs(max_tokens=40)}])
def test_another_seed_epoch_row_or_setting_is_another_plan(tmp_path, change):
    first = make(tmp_path)
    other = make(tmp_path, **change)

    assert contents(first) != contents(other)
    assert contents(first) == contents(make(tmp_path))


@pytest.mark.parametrize("damage", ["cut", "gone", "json", "other"])
def test_a_damaged_plan_is_made_again(tmp_path, damage):
    plan = make(tmp_path)
    first, place = contents(plan), tmp_path / plan.key.name
    match damage:
        case "cut":
            (place / "packed.npy").write_bytes((place / "packed.npy").read_bytes()[:-8])
        case "gone":
            (place / "starts.npy").unlink()
        case "json":
            (place / "plan.json").write_text('{"key":', encoding="utf-8")
        case "other":
            np.save(place / "is_next.npy", np.zeros(3, np.int8))

    assert contents(make(tmp_path)) == first


def test_what_a_killed_process_left_behind_is_cleared(tmp_path):
    left = tmp_path / ".making-something-1"
    left.mkdir(parents=True)
    (left / "packed.npy").write_bytes(b"half")

    make(tmp_path)

    assert not left.exists()


def test_arrays_of_epochs_long_past_are_removed_and_their_rows_remembered(tmp_path):
    mixture = make_mixture()
    rows = [make(tmp_path, mixture=mixture, epoch=epoch).n_rows for epoch in range(KEPT_EPOCHS + 3)]
    keys = [plan_key(mixture, NspPairs(), seed=3, epoch=epoch, row_tokens=64) for epoch in range(KEPT_EPOCHS + 3)]

    kept = [(tmp_path / key.name).is_dir() for key in keys]

    assert kept == [False] * 3 + [True] * KEPT_EPOCHS
    assert [remembered_rows(tmp_path, key) for key in keys] == rows


def test_held_out_documents_are_never_trained_on(tmp_path):
    mixture = make_mixture(held_out=0.2)

    trained = set(make(tmp_path, mixture=mixture).documents.tolist())
    held_out = set(make(tmp_path, mixture=mixture, part="held_out").documents.tolist())

    assert trained == set(mixture.training_documents.tolist())
    assert held_out == set(mixture.held_out_documents.tolist())
    assert not trained & held_out


def test_a_document_walked_twice_is_drawn_anew_each_time(tmp_path):
    mixture = Mixture([make_reader([[7] * 60] * 8)], [2.0], 0)
    plan = make(tmp_path, mixture=mixture, kind=NspPairs(random_next_probability=0))

    pairs = [plan.pieces(number) for number in range(plan.n_sequences)]
    begins = [number for number, (a, _) in enumerate(pairs) if number == 0 or a[1] < pairs[number - 1][0][1]]
    walks = [pairs[begin:end] for begin, end in pairwise([*begins, len(pairs)])]

    assert [walk[0][0][0] for walk in walks] == [document for document in range(8) for _ in range(2)]
    assert all(one != two for one, two in zip(walks[::2], walks[1::2], strict=True))


def test_whole_text_is_in_the_plan_once_where_the_kind_loses_nothing(tmp_path):
    mixture = make_mixture(held_out=0)
    plan = make(tmp_path, mixture=mixture, kind=DocSentences())

    tokens = sorted(
        token
        for number in range(plan.n_sequences)
        for document, start, end in plan.pieces(number)
        for token in mixture.ids(document)[start:end].tolist()
    )

    assert tokens == sorted(token for document in range(len(mixture)) for token in mixture.ids(document).tolist())


def test_sequences_longer_than_a_row_are_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"sequences\.max_tokens: 128 is more than the 64"):
        make(tmp_path, kind=NspPairs(max_tokens=128))


def test_an_epoch_that_draws_no_document_is_an_error(tmp_path):
    mixture = Mixture([make_reader([[5]])], [1e-9], 0)

    with pytest.raises(DataError, match="epoch 0 has no sequence"):
        make(tmp_path, mixture=mixture)


def test_a_folder_that_cannot_be_written_is_a_disk_error(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")

    with pytest.raises(DiskError, match="the plan of epoch 0"):
        make(tmp_path / "file")
