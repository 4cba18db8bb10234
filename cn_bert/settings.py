"""What recipes and tasks share: strict settings, `--set KEY=VALUE`, and faults explained with place and remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from corpus_tools.errors import SettingsError, nearest


class Settings(BaseModel):
    """Frozen settings that know no other keys and take no value of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


def parse_change(change: str) -> tuple[str, Any]:
    """Read the `KEY=VALUE` of a `--set`, VALUE as YAML.

    Raises:
        SettingsError: it has no key, no `=`, or VALUE is not YAML.
    """
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise SettingsError(f"--set {change}: expected KEY=VALUE, for example --set seed=1")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {change}: the value is not YAML: {error}") from error
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value):
        value = float(value)  # YAML 1.1 reads 1e-4 as text; on a command line only the number can be meant
    return key, value


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set a leaf by its dotted key; a number counts in a list.

    Raises:
        SettingsError: a part of the key is a single value, or no number of its list.
    """
    *parents, last = key.split(".")
    node: Any = tree
    for depth, part in enumerate(parents):
        node = _child(node, part, ".".join(parents[: depth + 1]))
    if isinstance(node, list):
        node[_index(node, last, key)] = value
    else:
        node[last] = value


def _child(node: Any, part: str, where: str) -> Any:
    child = node[_index(node, part, where)] if isinstance(node, list) else node.setdefault(part, {})
    if not isinstance(child, dict | list):
        raise SettingsError(f"--set {where}: this is a single value and has no keys below it")
    return child


def _index(node: list[Any], part: str, where: str) -> int:
    if not part.isdecimal() or int(part) >= len(node):
        raise SettingsError(f"--set {where}: '{part}' is not one of the numbers 0 to {len(node) - 1}")
    return int(part)


def explain(fault: Mapping[str, Any], place: str, model: type[BaseModel]) -> str:
    """Turn one of pydantic's errors into a line that names place, finding and remedy."""
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{place}: {key}: no such setting.{nearest(str(fault['loc'][-1]), _siblings(model, fault['loc']))}"
    if fault["type"] == "missing":
        return f"{place}: {key} is missing"
    value = fault["input"]
    if isinstance(value, str) and fault["type"].startswith("float"):
        return f"{place}: {key} is the text '{value}'. YAML needs a dot: write {_with_dot(value)}."
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{place}: {key}: {message} (found {value!r})" if key else f"{place}: {message}"


def _siblings(model: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """List the settings that stand beside a key."""
    node: Any = model
    for part in loc[:-1]:
        if isinstance(part, str):
            node = node.model_fields[part].annotation
            inner = [kind for kind in getattr(node, "__args__", ()) if isinstance(kind, type)]
            node = next((kind for kind in inner if issubclass(kind, BaseModel)), node)
    return list(node.model_fields)


def _with_dot(text: str) -> str:
    mantissa, e, exponent = text.lower().partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{e}{exponent}"
