"""Detects hangs: a worker that runs does not necessarily make progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import psutil

CHECK_SECONDS = 0.5
"""How often a worker is polled."""

_IDLE_CPU_SECONDS = 0.01
_SILENT_FACTOR = 6  # times hang_seconds, for silence while it computes
_LOADING_FACTOR = 3  # times hang_seconds, for a load that does not compute


class HangDetector:
    """Watches one worker, which must be polled every `CHECK_SECONDS`.

    Reported steps are progress. Between two reports a worker may compute for long, so silence alone counts as a hang
    only after a multiple of `hang_seconds`; silence without computing (stopped, or deadlocked) after `hang_seconds`.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, process_id: int, hang_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._process_id = process_id
        self._hang_seconds = hang_seconds
        self._clock = clock
        self._computed_at = self._polled_at = clock()
        self._processor_seconds = 0.0

    def poll(self) -> None:
        """Record whether the worker has computed since the last poll."""
        now = self._clock()
        seconds = self._read_processor_seconds()
        # After a long gap between polls this process was stopped itself, and the worker perhaps with it.
        if seconds - self._processor_seconds > _IDLE_CPU_SECONDS or now - self._polled_at > 4 * CHECK_SECONDS:
            self._computed_at = now
        self._polled_at, self._processor_seconds = now, seconds

    def hangs_at_work(self, last_event: float, *, may_be_silent: bool) -> bool:
        """Whether a worker with requests hangs.

        Args:
            last_event: when it last reported anything or got work, on the detector's clock.
            may_be_silent: whether it may compute without a report for any length of time.
        """
        silent = self._clock() - last_event
        idle = self._clock() - max(self._computed_at, last_event)
        return idle > self._hang_seconds or (silent > _SILENT_FACTOR * self._hang_seconds and not may_be_silent)

    def hangs_loading(self, last_event: float) -> bool:
        """Whether a worker that loads its model hangs; a slow disk gets more patience than anything else."""
        return self._clock() - max(self._computed_at, last_event) > _LOADING_FACTOR * self._hang_seconds

    def _read_processor_seconds(self) -> float:
        with suppress(psutil.Error):  # it has just ended; its pipe reports that
            times = psutil.Process(self._process_id).cpu_times()
            return float(times.user + times.system)
        return self._processor_seconds
