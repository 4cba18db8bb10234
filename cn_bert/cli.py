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
from corpus_tools.errors import MissingInputError, NotFiniteError, SettingsError, StoppedError, UsageError, UserError

if TYPE_CHECKING:
    from cn_bert.config import Loaded

EXAMPLES = """examples:
  cn-bert doctor
  cn-bert demo
  cn-bert show bert_wwm --set masking.rate=0.2
  cn-bert pretrain bert_wwm --data data/zhwiki --out runs/wwm --nproc 2 --set model=tiny
  deepspeed --num_gpus 8 --module cn_bert pretrain bert_wwm --data data/zhwiki --out runs/wwm
  cn-bert finetune chnsenticorp --model runs/wwm/export --data data/chnsenticorp --out runs/csc --seeds 5
"""


SAME_ON_ALL_RANKS: Final = (UsageError, SettingsError, MissingInputError, NotFiniteError, StoppedError)
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
    _add_pretrain(verbs)
    _add_export(verbs)
    _add_verify(verbs)
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
    if args.nproc is not None and args.nproc > 1 and "RANK" not in os.environ and not args.dry_run:
        return _start_ranks(args)
    name_accelerator()
    from cn_bert.training.engine import end_ranks
    from cn_bert.training.run import Request, pretrain

    request = Request(args.out, tuple(args.data), args.max_steps, args.deepspeed_config)
    if args.dry_run:
        from cn_bert.training.outlook import outlook

        print(outlook(loaded, request))
        return 0
    try:
        pretrain(loaded, request)
    finally:
        end_ranks()
    return 0


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


def _add_export(verbs: Verbs) -> None:
    parser = _verb(verbs, "export", "write a run's newest checkpoint as a transformers model folder")
    parser.add_argument("run_folder", metavar="RUN", type=Path)
    parser.add_argument("--out", metavar="DIR", type=Path, required=True)
    parser.add_argument("--dry-run", action="store_true", help="say which checkpoint would be exported")
    parser.set_defaults(func=_export)


def _export(args: argparse.Namespace) -> int:
    name_accelerator()
    from cn_bert.training import checkpoint
    from cn_bert.training.export import CHECKPOINTS, export

    if args.dry_run:
        step, faults = checkpoint.newest(args.run_folder / CHECKPOINTS)
        print(
            "\n".join([*faults, "no checkpoint yet" if step is None else f"would export step {step:,} to {args.out}"])
        )
        return 0
    step = export(args.run_folder, args.out)
    print(f"exported step {step:,} to {args.out}", file=sys.stderr)
    return 0


def _add_verify(verbs: Verbs) -> None:
    parser = _verb(verbs, "verify", "compare a run's checkpoints with their manifests")
    parser.add_argument("run_folder", metavar="RUN", type=Path)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(func=_verify)


def _verify(args: argparse.Namespace) -> int:
    name_accelerator()
    from cn_bert.training import checkpoint
    from cn_bert.training.export import CHECKPOINTS
    from corpus_tools.errors import MissingInputError, UnverifiedError

    folder = args.run_folder / CHECKPOINTS
    found = {step: checkpoint.verify(folder / f"step-{step}") for step in checkpoint.steps(folder)}
    if not found:
        raise MissingInputError(f"{folder}: no checkpoint")
    if args.json:
        _print_json({f"step-{step}": faults for step, faults in found.items()})
    else:
        for step, faults in found.items():
            print(f"step-{step}: {'whole' if not faults else '; '.join(faults)}")
    return UnverifiedError.exit_code if any(found.values()) else 0


def _print_json(value: object) -> None:
    import json

    print(json.dumps(value, ensure_ascii=False))
