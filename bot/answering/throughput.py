"""Measures the speed of recent answers for `/model info`."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

# A longer gap is idle time or prefill, and says nothing about decode.
_LONGEST_GAP_SECONDS = 1.0

# One step's tokens arrive at once: after a gap that does not count, theirs would have taken no time at all.
_STEP_SECONDS = 0.02


class Throughput:
    """Tokens per second over all conversations together, while tokens keep coming.

    Args:
        window: how many arrivals of tokens count.
        clock: monotonic seconds.
    """

    def __init__(self, window: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=window)  # (seconds since the previous arrival, tokens)
        self._last = -math.inf
        self._resumed = -math.inf  # the end of the latest gap that does not count

    def add(self, tokens: int) -> None:
        """Count tokens that arrived just now."""
        now = self._clock()
        if now - self._last > _LONGEST_GAP_SECONDS:
            self._resumed = now
        elif now - self._resumed > _STEP_SECONDS:
            self._arrivals.append((now - self._last, tokens))
        self._last = now

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens per second over the latest arrivals; None before the second one."""
        seconds = sum(gap for gap, _ in self._arrivals)
        return sum(tokens for _, tokens in self._arrivals) / seconds if seconds > 0 else None
