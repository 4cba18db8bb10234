"""The commands `finetune`, `predict` and `fill-mask`. Importing this loads no torch, so that --help is quick."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from cn_bert.accelerator import name_accelerator
from corpus_tools import configs
from corpus_tools.errors import DataError, StoppedError, UsageError

Commands = Any
"""What argparse's add_subparsers returns; its type has no public name."""


def add_commands(commands: Commands) -> None:
    """Add the commands of this folder. Each sets `func`, which takes the arguments and returns an exit code."""
    add_finetune(commands)
    add_predict(commands)
    add_fill_mask(commands)


def add_finetune(commands: Commands) -> None:
    """Add `finetune`."""
    about = "train and score one task from a model folder, with one or more seeds"
    parser = _parser(
        commands,
        "finetune",
        about,
        "cn-bert finetune chnsenticorp --model runs/wwm/export --data data/chnsenticorp --out runs/senti --seeds 5\n"
        "cn-bert finetune cmrc2018 --model runs/wwm/export --data data/cmrc2018 --out runs/cmrc --set epochs=1\n"
        "cn-bert finetune my_task.yaml --model bert-base-chinese --data . --out runs/mine --dry-run",
    )
    parser.add_argument(
        "task", metavar="TASK", help=f"a name ({', '.join(configs.names('tasks'))}) or a path to a YAML file"
    )
    parser.add_argument("--model", required=True, help="a transformers folder or a hub name")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="folder of the task's files")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where results go; goes on from there")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="train seeds 1 to N (default 1)")
    parser.add_argument("--limit", type=int, metavar="N", help="train on N examples only")
    parser.add_argument("--from-scratch", action="store_true", help="same shape, random weights: for comparison")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of the task")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, say what would be done, write nothing"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(func=_finetune)


def add_predict(commands: Commands) -> None:
    """Add `predict`."""
    parser = _parser(
        commands,
        "predict",
        "label texts, or answer questions from passages, with a fine-tuned model",
        "cn-bert predict --model runs/senti --text 房间很干净，下次还来。\n"
        "cat reviews.txt | cn-bert predict --model runs/senti --json\n"
        "cn-bert predict --model runs/cmrc --question 谁写了红楼梦？ --passage 《红楼梦》的作者是曹雪芹。",
    )
    parser.add_argument("--model", required=True, help="OUT of cn-bert finetune, or its model folder")
    parser.add_argument("--text", action="append", metavar="TEXT", help="a text to label; may be repeated")
    parser.add_argument("--pair", action="append", metavar="TEXT", help="the second text, where the task has pairs")
    parser.add_argument("--question", metavar="TEXT", help="a question, with --passage")
    parser.add_argument("--passage", metavar="TEXT", help="the passage that holds the answer")
    parser.add_argument(
        "--file",
        metavar="FILE",
        help="a text a line (text TAB text for pairs), or JSON lines with question and passage; default: stdin",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(func=_predict)


def add_fill_mask(commands: Commands) -> None:
    """Add `fill-mask`."""
    parser = _parser(
        commands,
        "fill-mask",
        "say what a pre-trained model would put for each [MASK]",
        "cn-bert fill-mask --model runs/wwm/export 今天天气很[MASK]。",
    )
    parser.add_argument("text", metavar="TEXT", help="a text with at least one [MASK]")
    parser.add_argument("--model", required=True, help="a transformers folder with an MLM head, or a hub name")
    parser.add_argument("--top-k", type=int, default=5, metavar="K", help="tokens for each mask (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(func=_fill_mask)


def _parser(commands: Commands, name: str, about: str, examples: str) -> argparse.ArgumentParser:
    epilog = "examples:\n" + "".join(f"  {line}\n" for line in examples.split("\n"))
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _results_alone_on_stdout() -> Iterator[None]:
    """Send what libraries print to stderr: DeepSpeed logs to whatever stdout is when it is imported."""
    with redirect_stdout(sys.stderr):
        name_accelerator()
        yield


@contextmanager
def _stoppable(out: Path) -> Iterator[None]:
    """Make SIGTERM and Ctrl-C a clean stop: seeds that are finished stay, the one that was running is lost."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(f"{out}: stopped. Finished seeds are kept; the same command goes on") from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _finetune(arguments: argparse.Namespace) -> int:
    from cn_bert.finetune.task import load_task

    task = load_task(arguments.task, arguments.set)
    if arguments.seeds < 1:
        raise UsageError(f"--seeds {arguments.seeds}: at least 1 is needed")
    with _results_alone_on_stdout(), _stoppable(arguments.out):
        from cn_bert.finetune.run import finetune, plan, prepare

        prepared = prepare(
            task,
            arguments.model,
            arguments.data,
            limit=arguments.limit,
            from_scratch=arguments.from_scratch,
            note=_note,
        )
        if arguments.dry_run:
            result = plan(prepared, arguments.seeds, arguments.out)
        else:
            result = finetune(prepared, arguments.seeds, arguments.out, _note)
    if arguments.json or arguments.dry_run:
        _print_json(result)
    else:
        _print_table(result, task.metrics, arguments.out)
    return 0


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def _print_table(result: dict[str, Any], metrics: Sequence[str], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("split", "metric", "mean", "spread", "each", title=f"seeds {len(result['seeds'])}")
    splits = {"dev": result["dev"], result["score_on"]: result}
    for split, found in splits.items():
        for metric in metrics:
            row = found[metric]
            spread = "" if row["spread"] is None else f"{row['spread']:.4g}"
            each = ", ".join(f"{value:.4g}" for value in row["each"])
            table.add_row(split, metric, f"{row['mean']:.4g}", spread, each)
    for name, value in result["baseline"].items():
        table.add_row(result["score_on"], name, f"{value:.4g}")
    console = Console()
    console.print(table)
    print(f"model of seed {result['best_seed']} (best on dev): {out / 'model'}")
    print(f"try it: cn-bert predict --model {out}")


def _predict(arguments: argparse.Namespace) -> int:
    if (arguments.question is None) != (arguments.passage is None):
        raise UsageError("--question and --passage go together")
    with _results_alone_on_stdout():
        from cn_bert.finetune.predict import Predictor

        predictor = Predictor(arguments.model)
        if predictor.kind.task.kind == "reading" or arguments.question is not None:
            asked = _questions(arguments)
            found = predictor.answer(asked)
            shown = [question for question, _ in asked]
        else:
            texts = _texts(arguments, paired=predictor.kind.task.text_pair is not None)
            found = predictor.classify(texts)
            shown = [text if pair is None else f"{text} | {pair}" for text, pair in texts]
    if arguments.json:
        _print_json({"predictions": found})
        return 0
    for text, one in zip(shown, found, strict=True):
        said = one["name"] if "name" in one else one["answer"]
        print(f"{_printable(said)}\t{one['probability']:.4f}\t{_printable(text)}")
    return 0


def _printable(text: str) -> str:
    """Replace what could move the cursor or change colours: the text is anybody's."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _texts(arguments: argparse.Namespace, paired: bool) -> list[tuple[str, str | None]]:
    if arguments.text is None:
        return [_text_of(place, line, paired) for place, line in _lines(arguments.file)]
    pairs: Sequence[str | None] = arguments.pair or [None] * len(arguments.text)
    if len(pairs) != len(arguments.text):
        raise UsageError(f"{len(arguments.text)} --text and {len(pairs)} --pair: give one of each")
    return list(zip(arguments.text, pairs, strict=True))


def _text_of(place: str, line: str, paired: bool) -> tuple[str, str | None]:
    if not paired:
        return line, None
    text, tab, pair = line.partition("\t")
    if not tab:
        raise DataError(f"{place}: expected two texts with a tab between them")
    return text, pair


def _questions(arguments: argparse.Namespace) -> list[tuple[str, str]]:
    if arguments.question is not None:
        return [(arguments.question, arguments.passage)]
    if arguments.text is not None:
        raise UsageError("this model answers questions: give --question and --passage, or --file")
    return [_question_of(place, line) for place, line in _lines(arguments.file)]


def _question_of(place: str, line: str) -> tuple[str, str]:
    try:
        record = json.loads(line)
        question, passage = record["question"], record["passage"]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{place}: expected a JSON object with question and passage") from error
    if not isinstance(question, str) or not isinstance(passage, str):
        raise DataError(f"{place}: question and passage have to be text")
    return question, passage


def _lines(file: str | None) -> Iterator[tuple[str, str]]:
    """Yield the filled lines of a file, or of stdin, with their places."""
    from cn_bert.finetune.files import decode, read_text

    if file in (None, "-"):
        text, place = decode(sys.stdin.buffer.read(), "stdin"), "stdin"
    else:
        text, place = read_text(Path(str(file))), str(file)
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"{place}:{number}", line.removesuffix("\r")


def _fill_mask(arguments: argparse.Namespace) -> int:
    with _results_alone_on_stdout():
        from cn_bert.finetune.predict import fill_mask

        found = fill_mask(arguments.model, arguments.text, arguments.top_k)
    if arguments.json:
        _print_json({"masks": found})
        return 0
    for number, tokens in enumerate(found, 1):
        shown = "  ".join(f"{_printable(one['token'])} {one['probability']:.3f}" for one in tokens)
        print(f"[MASK] {number}: {shown}")
    return 0
