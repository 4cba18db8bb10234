"""Build an object from a name and its settings, by a table that stands in full where its folder begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

from corpus_tools.errors import SettingsError, nearest

Choices = Mapping[str, Callable[..., Any] | str]
"""Name to class, or to "module:Class" where the module may not be installed."""


def build(axis: str, choices: Choices, settings: Mapping[str, Any]) -> Any:
    """Build what `settings["name"]` names, with the other settings as its fields.

    Args:
        axis: what is chosen, for messages: "masking".
        choices: the table.
        settings: the name and the fields, as they stand in YAML.

    Raises:
        SettingsError: the name or a field is unknown, a field is missing, or a value is refused.
    """
    rest = dict(settings)
    name = rest.pop("name", None)
    if name not in choices:
        raise SettingsError(f"{axis}: {name!r} is not known.{nearest(str(name), choices)}")
    made = _load(choices[name])
    if is_dataclass(made):
        known = {field.name for field in fields(made) if field.init}
        for key in rest.keys() - known:
            raise SettingsError(f"{axis}.{key}: {name} has no such setting.{nearest(key, known)}")
    try:
        return made(**rest)
    except TypeError as error:
        raise SettingsError(f"{axis}: {error}") from error


def _load(choice: Callable[..., Any] | str) -> Callable[..., Any]:
    if not isinstance(choice, str):
        return choice
    module, _, name = choice.partition(":")
    try:
        found: Callable[..., Any] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise SettingsError(f"{choice} needs the package '{error.name}', which is not installed") from error
    return found
