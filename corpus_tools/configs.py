"""Find the YAML files of `configs/`, in a source tree and in an installed wheel alike."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from corpus_tools.errors import MissingInputError, SettingsError, nearest

MAX_BYTES = 1 << 20
"""A larger YAML file is refused: no recipe comes near it."""


@cache
def configs_root() -> Traversable:
    """Return the folder of all configs: beside the package in a source tree, inside it in a wheel."""
    beside = Path(__file__).parent.parent / "configs"
    return beside if beside.is_dir() else files("corpus_tools") / "_configs"


def names(axis: str) -> list[str]:
    """List what `configs/AXIS` offers."""
    return sorted(entry.name[:-5] for entry in (configs_root() / axis).iterdir() if entry.name.endswith(".yaml"))


def load(axis: str, name: str) -> dict[str, Any]:
    """Read `configs/AXIS/NAME.yaml`, or NAME itself where it is a path to a YAML file.

    Raises:
        SettingsError: no such name, or the file is not a YAML mapping.
        MissingInputError: NAME is a path and no file is there.
    """
    if name.endswith((".yaml", ".yml")):
        path: Traversable = Path(name)
        if not path.is_file():
            raise MissingInputError(f"{name}: no such file")
    else:
        if name not in names(axis):
            raise SettingsError(f"{axis}: '{name}' is not known.{nearest(name, names(axis))}")
        path = configs_root() / axis / f"{name}.yaml"
    return parse(path.read_text(encoding="utf-8"), place(axis, name))


def place(axis: str, name: str) -> str:
    """Return how messages name a config file: `configs/masking/wwm.yaml`, or the path that was given."""
    return name if name.endswith((".yaml", ".yml")) else f"configs/{axis}/{name}.yaml"


def title(axis: str, name: str) -> str:
    """Return what a config says of itself: the first line of its opening comment."""
    text = (configs_root() / axis / f"{name}.yaml").read_text(encoding="utf-8")
    return text.partition("\n")[0].removeprefix("#").strip()


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key may stand only once and nothing is aliased (aliases can explode in memory)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias (*name) is not allowed; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.YAMLError(f"the key '{key}' stands twice")
        return super().construct_mapping(node, deep)


def parse(text: str, where: str) -> dict[str, Any]:
    """Read YAML text into a mapping.

    Raises:
        SettingsError: the text is too long, not YAML, not a mapping, or repeats a key.
    """
    if len(text) > MAX_BYTES:
        raise SettingsError(f"{where}: longer than {MAX_BYTES:,} characters; this is no recipe")
    try:
        found = yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader
    except yaml.YAMLError as error:
        raise SettingsError(f"{where}: not valid YAML: {error}") from error
    if not isinstance(found, dict):
        raise SettingsError(f"{where}: expected 'key: value' lines, found {type(found).__name__}")
    return found
