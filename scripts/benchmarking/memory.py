"""The peak memory of this process, which stands for the bot's, and of the engine process."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Self

import psutil

SAMPLE_SECONDS = 0.2


class PeakMemory:
    """Samples resident memory on a thread of its own, so that the event loop does not wait.

    Attributes:
        own_bytes: this process's peak while it was sampled.
        engine_bytes: an engine process's peak, since its start if the operating system keeps it.
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
        """Sample this engine process from now on instead of the previous one."""
        self._engine = psutil.Process(process_id)

    def _sample_until_ended(self) -> None:
        ended = False
        while not ended:  # once more at the end, which may come before the first sample
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
    """Return a process's peak memory, or its present memory if the operating system keeps no peak."""
    information = process.memory_info()
    if psutil.LINUX:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        if peak := re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE):
            return int(peak[1]) * 1024
    return int(getattr(information, "peak_wset", information.rss))  # Windows has peak_wset
