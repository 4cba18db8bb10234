"""The `cn-bert` command: verbs, their options, and the exit code each ends with.

Nothing heavy is imported before a verb runs, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from cn_bert.accelerator import name_accelerator
from cn_bert.finetune.commands import add_commands
from corpus_tools.errors import (
    MissingInputError,
    NotFiniteError,
    RefusedError,
    SettingsError,
    StillError,
    StoppedError,
    UsageError,
    UserError,
)

if TYPE_CHECKING:
    from cn_bert.config import Loaded

EXAMPLES = """examples:
  cn-bert doctor
  cn-bert demo
  cn-bert show bert_wwm --set masking.rate=0.2
  cn-bert estimate bert_wwm --data data/zhwiki --price 12.5
  cn-bert pretrain bert_wwm --data data/zhwiki --out runs/wwm --nproc 2 --set model=tiny
  deepspeed --num_gpus 8 --module cn_bert pretrain bert_wwm --data data/zhwiki --out runs/wwm
  cn-bert finetune chnsenticorp --model runs/wwm/export --data data/chnsenticorp --out runs/csc --seeds 5
"""


SAME_ON_ALL_RANKS: Final = (
    UsageError,
    SettingsError,
    MissingInputError,
    NotFiniteError,
    RefusedError,
    StillError,
    StoppedError,
)
"""What every rank meets alike, so that one of them saying it is enough."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code. A user's error is printed alone; a bug shows its traceback."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = build_parser().parse_args(arguments)
    args.arguments = arguments
    try:
        code: int = args.func(args)
        return code
    except UserError as error:
        rank = os.environ.get("RANK", "0")
        if rank == "0":
            print(f"cn-bert: {error}", file=sys.stderr)
        elif not isinstance(error, SAME_ON_ALL_RANKS):
            print(f"cn-bert: rank {rank}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def build_parser() -> argparse.ArgumentParser:
    """Describe the whole command line."""
    parser = argparse.ArgumentParser(
        prog="cn-bert",
        description="Pre-train, fine-tune and evaluate Chinese language models.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--local_rank", type=int, help=argparse.SUPPRESS)  # DeepSpeed's launcher puts it here
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_doctor(verbs)
    _add_demo(verbs)
    _add_recipes(verbs)
    _add_show(verbs)
    _add_estimate(verbs)
    _add_pretrain(verbs)
    _add_export(verbs)
    _add_verify(verbs)
    _add_report(verbs)
    add_commands(verbs)
    return parser


Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _verb(verbs: Verbs, name: str, text: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
    )
    return made


def _add_doctor(verbs: Verbs) -> None:
    parser = _verb(verbs, "doctor", "say what this machine has and lacks")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(func=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from cn_bert.doctor import examine, screen

    findings = examine(Path.cwd())
    if args.json:
        _print_json({one.what: {"found": one.found, "good": one.good, "remedy": one.remedy} for one in findings})
    else:
        print(screen(findings))
    return 0


def _add_demo(verbs: Verbs) -> None:
    parser = _verb(verbs, "demo", "run the whole path on a small sample that ships with the package")
    parser.add_argument("--out", type=Path, default=Path("cn-bert-demo"), help="folder to write (default: %(default)s)")
    parser.set_defaults(func=_demo)


def _demo(args: argparse.Namespace) -> int:
    from cn_bert.demo.run import run_demo

    run_demo(args.out)
    return 0


def _add_recipes(verbs: Verbs) -> None:
    parser = _verb(verbs, "recipes", "list the recipes, tasks and axes that ship with the package")
    parser.set_defaults(func=_recipes)


def _recipes(args: argparse.Namespace) -> int:
    from corpus_tools import configs

    for axis in ("recipes", "model", "sequences", "masking", "schedule", "tasks"):
        print(f"{axis}:")
        for name in configs.names(axis):
            print(f"  {name:<18}{configs.title(axis, name)}")
    return 0


def _add_show(verbs: Verbs) -> None:
    parser = _verb(verbs, "show", "print a recipe with every setting filled in and the file it came from")
    parser.add_argument("recipe", metavar="RECIPE", help="a name of `cn-bert recipes`, or a YAML file")
    _add_set(parser)
    parser.set_defaults(func=_show)


def _show(args: argparse.Namespace) -> int:
    from cn_bert.config import flatten, load_recipe
    from cn_bert.training.run_folder import fill_recipe

    loaded = load_recipe(args.recipe, args.set)
    recipe = fill_recipe(loaded.recipe)
    leaves = flatten(recipe.model_dump(mode="json"))
    lines = [f"{key}: {_yaml(value)}" for key, value in leaves.items()]
    width = min(64, max(map(len, lines)))
    for line, key in zip(lines, leaves, strict=True):
        print(f"{line:<{width}}  # {_origin(loaded, key)}")
    peaks = ", ".join(f"{recipe.peak_lr(stage):.3g}" for stage in recipe.stages)
    print(f"# highest learning rate of each stage: {peaks}")
    return 0


def _origin(loaded: Loaded, key: str) -> str:
    """Name the file a setting came from; a stage without a masking of its own has the recipe's."""
    of_stage = re.fullmatch(r"stages\.\d+\.(masking\..*)", key)
    inherited = of_stage[1] if of_stage else key
    return loaded.origin.get(key) or loaded.origin.get(inherited, "default")


def _yaml(value: object) -> str:
    import yaml

    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True).removesuffix("\n...\n").strip()


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting, for example masking.rate=0.2, stages.0.steps=500 or model=tiny; may be repeated",
    )


def _add_pretrain(verbs: Verbs) -> None:
    parser = _verb(verbs, "pretrain", "train a recipe, or go on from the last checkpoint in --out")
    parser.add_argument("recipe", metavar="RECIPE", help="a name of `cn-bert recipes`, or a YAML file")
    parser.add_argument("--data", metavar="DIR", action="append", default=[], help="shard folder; may be repeated")
    parser.add_argument("--out", metavar="RUN", type=Path, required=True, help="folder of the run")
    parser.add_argument("--nproc", metavar="N", type=int, help="start N ranks on this machine")
    parser.add_argument("--max-steps", metavar="N", type=int, help="stop after step N of the run; changes no schedule")
    parser.add_argument("--from-step", metavar="N", type=int, help="go on from step N's checkpoint, not the newest")
    parser.add_argument("--deepspeed_config", "--deepspeed-config", metavar="FILE", help="a DeepSpeed JSON file")
    parser.add_argument("--deepspeed", action="store_true", help=argparse.SUPPRESS)  # habit of DeepSpeed's users
    parser.add_argument("--local_rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, say what would be done, write nothing"
    )
    _add_set(parser)
    parser.set_defaults(func=_pretrain)


def _pretrain(args: argparse.Namespace) -> int:
    from cn_bert.config import load_recipe
    from corpus_tools.errors import UsageError

    loaded = load_recipe(args.recipe, args.set)  # before any rank starts: a typing error shows once and at once
    for option in ("nproc", "max_steps"):
        if getattr(args, option) is not None and getattr(args, option) < 1:
            raise UsageError(f"--{option.replace('_', '-')} {getattr(args, option)}: at least 1")
    if _wants_ranks(args) and not args.dry_run:
        return _start_ranks(args)
    name_accelerator()
    from cn_bert.training.engine import end_ranks
    from cn_bert.training.run import Request, pretrain

    request = Request(args.out, tuple(args.data), args.max_steps, args.deepspeed_config, args.from_step)
    if args.dry_run:
        from cn_bert.training.outlook import outlook

        print(outlook(loaded, request))
        return 0
    try:
        pretrain(loaded, request)
    finally:
        end_ranks()
    if os.environ.get("RANK", "0") == "0":
        _write_page(args.out)
    return 0


def _write_page(run: Path) -> None:
    """Write the page about a run that has ended. The run is done: what goes wrong here is said and is no failure."""
    from cn_bert.report.write import PAGE, write_report

    try:
        write_report(run, run / PAGE)
    except UserError as error:
        print(f"cn-bert: no page about the run: {error}", file=sys.stderr)
    else:
        print(f"the page about the run: {run / PAGE}", file=sys.stderr)


def _wants_ranks(args: argparse.Namespace) -> bool:
    return args.nproc is not None and args.nproc > 1 and "RANK" not in os.environ


def _start_ranks(args: argparse.Namespace) -> int:
    from cn_bert.launch import free_port, run_ranks

    rest = list(args.arguments)
    for number, word in enumerate(rest):
        if word == "--nproc":
            del rest[number : number + 2]
            break
        if word.startswith("--nproc="):
            del rest[number]
            break
    return run_ranks(rest, args.nproc, free_port())


def _add_estimate(verbs: Verbs) -> None:
    parser = _verb(verbs, "estimate", "say what a run will take, from a few timed steps; nothing is written")
    parser.add_argument("recipe", metavar="RECIPE", help="a name of `cn-bert recipes`, or a YAML file")
    parser.add_argument("--data", metavar="DIR", action="append", default=[], help="shard folder; may be repeated")
    parser.add_argument("--nproc", metavar="N", type=int, help="start N ranks on this machine")
    parser.add_argument("--deepspeed_config", "--deepspeed-config", metavar="FILE", help="a DeepSpeed JSON file")
    parser.add_argument("--price", metavar="P", type=float, help="of an hour of all ranks, to say what it will cost")
    parser.add_argument("--local_rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    _add_set(parser)
    parser.set_defaults(func=_estimate)


def _estimate(args: argparse.Namespace) -> int:
    from cn_bert.config import load_recipe

    loaded = load_recipe(args.recipe, args.set)
    if args.nproc is not None and args.nproc < 1:
        raise UsageError(f"--nproc {args.nproc}: at least 1")
    if args.price is not None and args.price < 0:
        raise UsageError(f"--price {args.price:g}: at least 0")
    if _wants_ranks(args):
        return _start_ranks(args)
    name_accelerator()
    from cn_bert.training.engine import end_ranks
    from cn_bert.training.estimate import estimate
    from cn_bert.training.run import Request

    request = Request(Path(), tuple(args.data), deepspeed_config=args.deepspeed_config)
    try:
        found = estimate(loaded, request, args.price)
    finally:
        end_ranks()
    if os.environ.get("RANK", "0") == "0":
        _print_json(found.to_json()) if args.json else print(found)
    return 0


def _add_export(verbs: Verbs) -> None:
    parser = _verb(verbs, "export", "write a run's newest checkpoint as a transformers model folder")
    parser.add_argument("run_folder", metavar="RUN", type=Path)
    parser.add_argument("--out", metavar="DIR", type=Path, required=True)
    parser.add_argument("--step", metavar="N", type=int, help="export step N's checkpoint, not the newest")
    parser.add_argument("--dry-run", action="store_true", help="say which checkpoint would be exported")
    parser.set_defaults(func=_export)


def _export(args: argparse.Namespace) -> int:
    name_accelerator()
    from cn_bert.training.export import choose_checkpoint, export

    if args.dry_run:
        step, faults = choose_checkpoint(args.run_folder, args.step)
        print("\n".join([*faults, f"would export step {step:,} to {args.out}"]))
        return 0
    step = export(args.run_folder, args.out, step=args.step)
    print(f"exported step {step:,} to {args.out}", file=sys.stderr)
    return 0


def _add_verify(verbs: Verbs) -> None:
    parser = _verb(verbs, "verify", "compare a run's checkpoints with their manifests")
    parser.add_argument("run_folder", metavar="RUN", type=Path)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(func=_verify)


def _verify(args: argparse.Namespace) -> int:
    from cn_bert.training import checkpoint
    from corpus_tools.errors import UnverifiedError

    folder = args.run_folder / checkpoint.CHECKPOINTS
    found = {step: checkpoint.verify(checkpoint.at(folder, step)) for step in checkpoint.steps(folder)}
    if not found:
        raise MissingInputError(f"{folder}: no checkpoint")
    if args.json:
        _print_json({f"step-{step}": faults for step, faults in found.items()})
    else:
        for step, faults in found.items():
            print(f"step-{step}: {'; '.join(faults) or 'sound'}")
    return UnverifiedError.exit_code if found[max(found)] else 0


def _add_report(verbs: Verbs) -> None:
    parser = _verb(verbs, "report", "write one page about a run: curves, and its model on held-out text")
    parser.add_argument("run_folder", metavar="RUN", type=Path)
    parser.add_argument("--out", metavar="FILE", type=Path, help="the page (default: RUN/report.html)")
    parser.add_argument("--rows", metavar="N", type=int, default=200, help="held-out rows to look at (default: 200)")
    parser.add_argument(
        "--data", metavar="DIR", action="append", default=[], help="where the run's shards are now; may be repeated"
    )
    parser.add_argument("--json", action="store_true", help="print what it says of held-out text as one JSON object")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written")
    parser.set_defaults(func=_report)


def _report(args: argparse.Namespace) -> int:
    if args.rows < 1:
        raise UsageError(f"--rows {args.rows}: at least 1")
    name_accelerator()
    from cn_bert.report.write import PAGE, look_ahead, write_report

    out = args.out or args.run_folder / PAGE
    if args.dry_run:
        print(look_ahead(args.run_folder, out))
        return 0
    said = write_report(args.run_folder, out, max_rows=args.rows, data=args.data)
    if args.json:
        _print_json(said)
    elif "missing" in said:
        print(f"cn-bert: nothing on held-out text: {said['missing']}", file=sys.stderr)
    print(f"the page about the run: {out}", file=sys.stderr)
    return 0


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, ensure_ascii=False))
