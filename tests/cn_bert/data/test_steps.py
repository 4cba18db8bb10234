import pytest
from small_corpus import make_mixture

from cn_bert.data import steps as module
from cn_bert.data.sequences.pairs import NspPairs
from cn_bert.data.steps import Plans, Steps


def make_steps(folder, batch_rows=7, first_epoch=2, rising=()):
    plans = Plans(make_mixture(), NspPairs(), seed=3, row_tokens=64, folder=folder)
    return Steps(plans, batch_rows=batch_rows, rising=rising, first_epoch=first_epoch)


def rows_in_order(steps, count):
    """List the rows epoch after epoch, the way a single reader would meet them."""
    rows, epoch = [], steps.first_epoch
    while len(rows) < count:
        rows += [(epoch, row) for row in range(steps.plans.plan(epoch).n_rows)]
        epoch += 1
    return rows[:count]


@pytest.mark.parametrize("batch_rows", [1, 7, 200])
def test_steps_take_the_rows_of_the_epochs_in_order_and_drop_none(tmp_path, batch_rows):
    steps = make_steps(tmp_path, batch_rows)
    n_steps = 500 // batch_rows

    taken = [row for step in range(n_steps) for row in steps.rows_of_step(step)]

    assert taken == rows_in_order(steps, n_steps * batch_rows)
    assert len({epoch for epoch, _ in taken}) > 2


@pytest.mark.parametrize("batch_rows", [1, 7, 200])
def test_the_spans_of_a_step_hold_its_rows(tmp_path, batch_rows):
    steps = make_steps(tmp_path, batch_rows)

    for step in range(300 // batch_rows):
        spans = steps.spans_of_step(step)
        assert [(epoch, row) for epoch, first, end in spans for row in range(first, end)] == steps.rows_of_step(step)
        assert len({epoch for epoch, _, _ in spans}) == len(spans)


def test_a_late_step_is_found_without_making_earlier_plans_again(tmp_path, monkeypatch):
    before = make_steps(tmp_path)
    expected = before.rows_of_step(60)
    made = []

    def watched(*args, epoch, **more):
        made.append(epoch)
        return make_plan(*args, epoch=epoch, **more)

    make_plan = module.make_plan
    monkeypatch.setattr(module, "make_plan", watched)
    resumed = make_steps(tmp_path)

    assert resumed.rows_of_step(60) == expected
    assert min(expected)[0] > resumed.first_epoch
    assert made == []


def test_a_late_step_is_the_same_where_nothing_is_remembered(tmp_path):
    expected = make_steps(tmp_path / "one").rows_of_step(60)

    assert make_steps(tmp_path / "two").rows_of_step(60) == expected

    (tmp_path / "one" / "epochs.json").write_text("not json", encoding="utf-8")
    assert make_steps(tmp_path / "one").rows_of_step(60) == expected


@pytest.mark.parametrize("rising", [(1,), (2, 2, 3, 5, 7), tuple(range(1, 40))])
def test_steps_that_rise_take_each_row_once_and_in_order(tmp_path, rising):
    steps = make_steps(tmp_path, batch_rows=40, rising=rising)
    sizes = [*rising, *[40] * 6]

    taken = [steps.rows_of_step(step) for step in range(len(sizes))]

    assert [len(rows) for rows in taken] == sizes
    assert [row for rows in taken for row in rows] == rows_in_order(steps, sum(sizes))
    assert [steps.rows_before(step) for step in range(len(sizes))] == [sum(sizes[:step]) for step in range(len(sizes))]
    resumed = make_steps(tmp_path, batch_rows=40, rising=rising)
    assert [resumed.rows_of_step(step) for step in reversed(range(len(sizes)))] == taken[::-1]


@pytest.mark.parametrize("rising", [(), (1, 3, 5)])
@pytest.mark.parametrize("n_steps", [0, 1, 20, 61])
def test_epochs_used_are_the_epochs_that_the_steps_touch(tmp_path, n_steps, rising):
    steps = make_steps(tmp_path, rising=rising)

    touched = {epoch for step in range(n_steps) for epoch, _ in steps.rows_of_step(step)}

    assert steps.epochs_used(n_steps) == len(touched)


def test_a_step_may_be_larger_than_an_epoch(tmp_path):
    steps = make_steps(tmp_path, batch_rows=1000)

    rows = steps.rows_of_step(1)

    assert rows == rows_in_order(steps, 2000)[1000:]
    assert len({epoch for epoch, _ in rows}) > 3
