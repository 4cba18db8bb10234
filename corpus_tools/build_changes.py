"""What differs between two builds, in the words of the command that starts one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

MOST_NAMED: Final = 3
"""Changes that a message names."""
MOST_SHOWN: Final = 40
"""Characters that are shown of a version."""

FILE_OPTIONS: Final = {
    "vocab": "--vocab",
    "dictionaries": "--dict",
    "entities": "--entities",
    "phrases": "--phrases",
    "knowledge": "--knowledge",
    "spans": "--spans",
    "drop": "--drop",
}
"""Settings that name files, and the options that they are given by. What is in the files counts, not where they lie."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a build is made of."""

    identity: Mapping[str, Any]
    """All that decides the shards' bytes, as `build_settings.identity` returns it."""
    settings: Mapping[str, Any]
    """What was asked for, as `BuildSettings.to_json` returns it: it knows the places of the files."""


def difference(there: Basis, here: Basis) -> str:
    """Say how `here` differs from `there`, an earlier build or another part of it; nothing where it does not."""
    if there.identity == here.identity:
        return ""
    if there.identity.keys() != here.identity.keys():
        return "it was made by another version of corpus-tools"
    found = [*_settings(there, here), *_files(there, here), *_inputs(there, here)] or [*_versions(there, here)]
    more = [f"and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return "; ".join([*found[:MOST_NAMED], *more])


def _settings(there: Basis, here: Basis) -> Iterator[str]:
    old, new = (dict(_flat(basis.identity["settings"])) for basis in (there, here))
    for name in dict.fromkeys([*new, *old]):
        if old.get(name) != new.get(name):
            yield f"{name} was {_shown(old.get(name))}, is {_shown(new.get(name))}"


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        yield from _flat(value) if isinstance(value, dict) else [(name, value)]


def _files(there: Basis, here: Basis) -> Iterator[str]:
    for setting, option in FILE_OPTIONS.items():
        old, new = there.identity["files"][setting], here.identity["files"][setting]
        left, come = Counter(map(tuple, old)), Counter(map(tuple, new))
        gone = [name for name, file in _named(there, setting) if file in left - come]
        added = [name for name, file in _named(here, setting) if file in come - left]
        for name in added:
            yield f"{option} {name} {'has changed since' if name in gone else 'is new'}"
        yield from (f"{option} {name} is gone" for name in gone if name not in added)
        if left == come and old != new:
            yield f"the files of {option} stand in another order"


def _named(basis: Basis, setting: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the files of a setting as they are given on a command line, each with its kind and its hash."""
    given = basis.settings[setting] or []
    places = [given] if isinstance(given, str) else given
    for (kind, hashed), place in zip(basis.identity["files"][setting], places, strict=True):
        path = place if isinstance(place, str) else place[-1]
        yield f"{kind}={path}" if kind else path, (kind, hashed)


def _inputs(there: Basis, here: Basis) -> Iterator[str]:
    old, new = ({file["name"]: file for file in basis.identity["inputs"]} for basis in (there, here))
    for name, file in new.items():
        if name not in old:
            yield f"input {name} is new"
        elif file["bytes"] != old[name]["bytes"]:
            yield f"input {name} has changed: it had {old[name]['bytes']:,} bytes and has {file['bytes']:,}"
        elif file["changed"] != old[name]["changed"]:
            when = datetime.fromtimestamp(file["changed"] // 10**9).isoformat(" ")
            yield (
                f"input {name} was changed at {when} (only its time of change differs, its size is the same: `touch` "
                "does that)"
            )
    yield from (f"input {name} is gone" for name in old if name not in new)
    if old == new and list(old) != list(new):
        yield "the inputs stand in another order"


def _versions(there: Basis, here: Basis) -> Iterator[str]:
    """Say what is left: code and dictionaries that the command does not name."""
    old, new = ({"tool": basis.identity["tool"], **basis.identity["versions"]} for basis in (there, here))
    for name in new:
        if old.get(name) == new[name]:
            continue
        if name == "segmenter" and here.settings["segmenter"].startswith("by_function:"):
            yield f"the module of --segmenter {here.settings['segmenter']} has changed since"
        else:
            texts = [_shown(values.get(name)) for values in (old, new)]
            # They may be long, and alike up to the hashes at their ends.
            apart = next((at for at, (one, other) in enumerate(zip(*texts, strict=False)) if one != other), 0)
            begin = max(0, apart - MOST_SHOWN // 2)
            yield "{} was {}, is {}".format(name, *(text[begin : begin + MOST_SHOWN] for text in texts))


def _shown(value: object) -> str:
    if value in (None, [], ""):
        return "not set"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)
