"""Tells whether an engine process is alive inside: that it runs does not mean that it gets on."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import psutil

CHECK_SECONDS = 0.5
"""How often a process is looked at."""

_IDLE_CPU_SECONDS = 0.01
_SILENT_FACTOR = 6
_LOADING_FACTOR = 3


class HangDetector:
    """Watches one engine process, which has to be looked at every `CHECK_SECONDS`.

    A process gets on while it reports steps. Between two reports it may compute for long, so silence alone counts
    only after a multiple of the limit; silence without computing (stopped, or in a deadlock) counts at the limit.

    Args:
        process_id: the process.
        hang_seconds: the limit.
        clock: seconds that only go forward.
    """

    def __init__(self, process_id: int, hang_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._process_id = process_id
        self._hang_seconds = hang_seconds
        self._clock = clock
        self._computed_at = self._polled_at = clock()
        self._processor_seconds = 0.0

    def poll(self) -> None:
        """Note whether the process has computed since the last look."""
        now = self._clock()
        seconds = self._read_processor_seconds()
        # When nobody looked for a while, this process was stopped itself, and the other one perhaps with it.
        if seconds - self._processor_seconds > _IDLE_CPU_SECONDS or now - self._polled_at > 4 * CHECK_SECONDS:
            self._computed_at = now
        self._polled_at, self._processor_seconds = now, seconds

    def hangs_at_work(self, last_event: float, *, may_be_silent: bool) -> bool:
        """Whether a process that has work to do hangs.

        Args:
            last_event: when it last reported something, or was given work.
            may_be_silent: whether it may compute without a report for any time.
        """
        silent = self._clock() - last_event
        idle = self._clock() - max(self._computed_at, last_event)
        return idle > self._hang_seconds or (silent > _SILENT_FACTOR * self._hang_seconds and not may_be_silent)

    def hangs_loading(self, last_event: float) -> bool:
        """Whether a process that loads its model hangs. It may wait for a slow disk longer than for anything else."""
        return self._clock() - max(self._computed_at, last_event) > _LOADING_FACTOR * self._hang_seconds

    def _read_processor_seconds(self) -> float:
        with suppress(psutil.Error):  # it has just ended, which its pipe tells
            times = psutil.Process(self._process_id).cpu_times()
            return float(times.user + times.system)
        return self._processor_seconds
