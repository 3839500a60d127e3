"""What the bot's process holds for its engines, so that nothing of a lost one is left behind unnoticed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import psutil

_SPARE = 4
"""Threads and files that the interpreter itself may open in between, for its thread pool."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What this process holds at one moment.

    Attributes:
        engines: ids of the engine processes that it started and that still run.
        threads: number of its threads.
        files: number of its open files and pipes.
    """

    engines: frozenset[int]
    threads: int
    files: int

    @classmethod
    def take(cls) -> Footprint:
        """Look at this process."""
        process = psutil.Process()
        return cls(engine_processes(), process.num_threads(), process.num_fds())

    def has_grown_since(self, before: Footprint) -> bool:
        """Whether something was left behind."""
        return (
            bool(self.engines - before.engines)
            or self.threads > before.threads + _SPARE
            or self.files > before.files + _SPARE
        )

    def __str__(self) -> str:
        """A line for people."""
        return f"{len(self.engines)} engine processes, {self.threads} threads, {self.files} open files"


def engine_processes() -> frozenset[int]:
    """Ids of the engine processes that this process has, loaded or not."""
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has just ended
            if "spawn_main" in " ".join(child.cmdline()):
                found.add(child.pid)
    return frozenset(found)
