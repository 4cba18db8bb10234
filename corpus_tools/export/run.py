"""Write an export whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from corpus_tools.errors import DiskError, OutputError, StoppedError
from corpus_tools.export import Form
from corpus_tools.pool import stop_on_signals
from corpus_tools.shards.read import ShardReader
from corpus_tools.storage import replace_whole, sync


def export(reader: ShardReader, form: Form, out: Path, progress: Callable[[int], None] = lambda _: None) -> int:
    """Write a shard folder in another form.

    Args:
        reader: the shards.
        form: what to make of them.
        out: the file or folder to make; it gets this name once all of it is on the disk.
        progress: told the number of rows after each batch.

    Returns:
        How many bytes were written.

    Raises:
        OutputError: there is something of this name.
        StoppedError: a signal asked to stop; nothing is left.
        DiskError: the disk is full or refuses. What `form.write` raises.
    """
    check_free(out)
    with stop_on_signals() as stop, _whole(out) as place:

        def wrote(rows: int) -> None:
            progress(rows)
            if stop.asked:
                raise StoppedError(f"{out}: stopped, and nothing of it is left. The same command begins anew")

        form.write(reader, place, wrote)
    return sum(path.stat().st_size for path in (out, *out.rglob("*")) if path.is_file())


def check_free(out: Path) -> None:
    """Refuse a name that is taken.

    Raises:
        OutputError: there is a file or folder of this name.
    """
    if out.exists():
        raise OutputError(f"{out}: exists already. Take another --out, or remove it")


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """Lend a place beside `out`; what was written there becomes `out`, unless something is raised."""
    place = out.with_name(f".{out.name}.tmp-{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield place
        for path in place.rglob("*"):
            sync(path)
        replace_whole(place, out)
    except OSError as error:
        raise DiskError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        rmtree(place, ignore_errors=True)
        with suppress(OSError):
            place.unlink()
