"""How far a build is, and how long it will still take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a run. What an earlier run did counts as shards only."""

    shards_done: int
    shards: int
    documents: int
    """Encoded by this run so far, those of unfinished shards too."""
    tokens: int
    bytes_read: int
    """Of the inputs as they are stored, by this run."""
    bytes: int
    """That this run has to read; 0 where that is not known."""
    seconds: float
    """Since this run began."""

    @property
    def seconds_left(self) -> float | None:
        """At the speed so far; None while that is not known."""
        if not (self.bytes and self.bytes_read):
            return None
        return self.seconds * (self.bytes - self.bytes_read) / self.bytes_read

    def __str__(self) -> str:
        """Write it as one line, what is asked for most often first: a narrow terminal shows no more."""
        parts = [f"{self.shards_done} of {self.shards} shards"]
        if self.seconds_left is not None:
            parts += [f"{self.bytes_read / self.bytes:.0%}", f"{duration(self.seconds_left)} left"]
        speed = self.tokens / self.seconds if self.seconds else 0.0
        parts += [f"{speed:,.0f} tokens a second", f"{self.documents:,} documents", f"{self.tokens:,} tokens"]
        return " · ".join(parts)


def duration(seconds: float) -> str:
    """Write a time as people say it: `8 s`, `5 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
