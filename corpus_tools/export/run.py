"""Write an export whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from corpus_tools.errors import StoppedError
from corpus_tools.export import Form
from corpus_tools.pool import stop_on_signals
from corpus_tools.shards.read import ShardReader
from corpus_tools.storage import disk_errors, refuse_existing, written_whole


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
    refuse_existing(out)
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    with stop_on_signals() as stop, written_whole(out) as place:

        def wrote(rows: int) -> None:
            progress(rows)
            if stop.asked:
                raise StoppedError(f"{out}: stopped, and nothing of it is left. The same command begins anew")

        form.write(reader, place, wrote)
    return sum(path.stat().st_size for path in (out, *out.rglob("*")) if path.is_file())
