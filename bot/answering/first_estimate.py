"""Compares what members are told about time with what happens."""

from __future__ import annotations

import time
from collections.abc import Callable


class FirstEstimate:
    """Reports the first estimate of something together with the real time, once it has happened.

    Args:
        report: called with the estimated and the real seconds, both counted from the estimate on.
        clock: monotonic seconds.
    """

    def __init__(self, report: Callable[[float, float], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._first: tuple[float, float] | None = None

    def add(self, seconds: float | None) -> None:
        """Take an estimate of the seconds from now on; later ones do not count."""
        if self._first is None and seconds is not None:
            self._first = seconds, self._clock()

    def happened(self) -> None:
        """Report, if there was an estimate: it has just happened."""
        if self._first is not None:
            seconds, at = self._first
            self._report(seconds, self._clock() - at)
            self._first = None
