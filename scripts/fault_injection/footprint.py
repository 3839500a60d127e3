"""The processes, threads and files that the bot's process holds: a crashed engine must leave none behind."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import psutil

_SPARE = 4
"""Threads and files that the interpreter itself may open meanwhile, for its thread pool."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What this process holds at one moment.

    Attributes:
        engines: process ids of its running engines.
        threads: count.
        files: count of open files and pipes.
    """

    engines: frozenset[int]
    threads: int
    files: int

    @classmethod
    def take(cls) -> Footprint:
        """Measure this process."""
        process = psutil.Process()
        return cls(engine_processes(), process.num_threads(), process.num_fds())

    def has_grown_since(self, before: Footprint) -> bool:
        """Return whether anything was left behind."""
        return (
            bool(self.engines - before.engines)
            or self.threads > before.threads + _SPARE
            or self.files > before.files + _SPARE
        )

    def __str__(self) -> str:
        """Return the figures for the terminal."""
        return f"{len(self.engines)} engine processes, {self.threads} threads, {self.files} open files"


def engine_processes() -> frozenset[int]:
    """Return the ids of this process's engine processes, loaded or not."""
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has just ended
            if "spawn_main" in " ".join(child.cmdline()):
                found.add(child.pid)
    return frozenset(found)
