"""Task files: what is filled in, and what is refused with which words."""

import pytest

from cn_bert.finetune.task import load_task, task_from_dict
from corpus_tools import configs
from corpus_tools.errors import MissingInputError, SettingsError

MINIMAL = """
kind: classification
files: {train: a.tsv, dev: b.tsv}
text: sentence
labels: [0, 1]
max_tokens: 32
epochs: 1
learning_rate: 2.0e-5
"""


@pytest.mark.parametrize("name", configs.names("tasks"))
def test_every_task_that_ships_can_be_read(name):
    assert load_task(name).kind in ("classification", "reading")


def test_a_task_can_be_ones_own_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINIMAL, encoding="utf-8")

    task = load_task(str(path), ["epochs=2", "files.test=c.tsv", "score_on=test", "learning_rate=1e-4"])

    assert task.labels == {"0": "0", "1": "1"}
    assert (task.epochs, task.files.test, task.learning_rate) == (2, "c.tsv", 1e-4)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("chnsenticorp", ["epoch=2"], "--set: epoch: no such setting. Did you mean 'epochs'?"),
        ("chnsenticorp", ["files.tain=x"], "files.tain: no such setting. Did you mean 'train'?"),
        ("chnsenticorp", ["epochs=many"], "--set: epochs is the text 'many'"),
        ("chnsenticorp", ["epochs=0"], "--set: epochs: Input should be greater than 0"),
        ("chnsenticorp", ["epochs"], "expected KEY=VALUE"),
        ("chnsenticorp", ["text.x=1"], "--set text: this is a single value"),
        ("chnsenticorp", ["batch_size=32", "micro_batch_size=5"], "does not divide"),
        ("chnsenticorp", ["labels=[a]"], "at least two labels"),
        ("chnsenticorp", ["labels={a: x, b: x}"], "the same name"),
        ("cmrc2018", ["score_on=test"], "files.test is missing"),
        ("cmrc2018", ["stride=500"], "would leave gaps"),
        ("cmrc2018", ["max_tokens=70"], "leaves no room for a passage"),
        ("cmrc2018", ["kind=tagging"], "'tagging' is not known"),
        ("cmrc", [], "Did you mean 'cmrc2018'?"),
    ],
)
def test_a_fault_is_named_with_its_remedy(name, changes, words):
    with pytest.raises(SettingsError) as caught:
        load_task(name, changes)

    assert words in str(caught.value)


def test_a_rate_without_a_dot_is_explained(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINIMAL.replace("2.0e-5", "2e-5"), encoding="utf-8")

    with pytest.raises(SettingsError, match=r"learning_rate is the text '2e-5'. YAML needs a dot"):
        load_task(str(path))


def test_a_task_file_that_is_not_there_is_missing_input():
    with pytest.raises(MissingInputError):
        load_task("no/such.yaml")


def test_a_saved_task_comes_back_the_same():
    task = load_task("cmrc2018", ["epochs=1"])

    assert task_from_dict(task.model_dump(mode="json"), "task.json") == task
