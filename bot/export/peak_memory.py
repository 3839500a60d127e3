"""Measures how much memory two processes take at most: this one, which runs the bot's code, and the engine's."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Self

import psutil

SAMPLE_SECONDS = 0.2


class PeakMemory:
    """Samples resident memory on a thread of its own, so that the event loop never waits for it.

    Attributes:
        own_bytes: the most that this process took while it was watched.
        engine_bytes: the most that an engine process took, from its start where the operating system remembers.
    """

    def __init__(self) -> None:
        self.own_bytes = 0
        self.engine_bytes = 0
        self._own = psutil.Process()
        self._engine: psutil.Process | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_ended, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def watch_engine(self, process_id: int) -> None:
        """Watch this engine process from now on, instead of the one before it."""
        self._engine = psutil.Process(process_id)

    def _sample_until_ended(self) -> None:
        ended = False
        while not ended:  # and once more at the end, which may come before the first sample
            ended = self._ended.wait(SAMPLE_SECONDS)
            self.own_bytes = max(self.own_bytes, self._own.memory_info().rss)
            engine = self._engine
            if engine is None:
                continue
            try:
                self.engine_bytes = max(self.engine_bytes, _peak_bytes(engine))
            except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
                self._engine = None  # it ended between two samples


def _peak_bytes(process: psutil.Process) -> int:
    """The peak of a process where the operating system remembers it, else what it takes now."""
    information = process.memory_info()
    if psutil.LINUX:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        if peak := re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE):
            return int(peak[1]) * 1024
    return int(getattr(information, "peak_wset", information.rss))  # Windows has the former
