"""The errors a user can cause or meet, each with the exit code its command ends with.

The command line prints the message of a `UserError` alone. Any other exception is a bug of ours and shows its
traceback. A message names the place, what was found there, and what would do instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """What went wrong, where, and what to do about it."""

    exit_code = 1


class UsageError(UserError):
    """The command line itself is wrong."""

    exit_code = 2


class SettingsError(UserError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_code = 64


class DataError(UserError):
    """Input or shards were found, and what is in them cannot be used."""

    exit_code = 65


class MissingInputError(UserError):
    """A file or folder that was named is not there."""

    exit_code = 66


class LostRankError(UserError):
    """Another rank of the run is gone, or does not answer."""

    exit_code = 69


class NotFiniteError(UserError):
    """A loss or a gradient is no longer a number."""

    exit_code = 70


class StillError(UserError):
    """Weights that should move do not."""

    exit_code = 70


class OutOfMemoryError(UserError):
    """A step does not fit into memory."""

    exit_code = 71


class OutputError(UserError):
    """The output folder is in use or belongs to something else."""

    exit_code = 73


class DiskError(UserError):
    """Writing failed: the disk is full, read-only or broken."""

    exit_code = 74


class StoppedError(UserError):
    """The run was asked to stop and can go on from where it is."""

    exit_code = 75


class UnverifiedError(UserError):
    """A checkpoint does not match its manifest."""

    exit_code = 76


class RefusedError(UserError):
    """The request was understood and is not safe to carry out."""

    exit_code = 77


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, then all of them: ` Did you mean 'wwm'? Known: char, wwm.`"""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"{hint} Known: {', '.join(names)}."
