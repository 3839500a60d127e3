"""Measures the speed of recent answers for `/model info`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

# A longer gap is idle time or prefill, and says nothing about decode.
_LONGEST_GAP_SECONDS = 1.0


class Throughput:
    """Tokens per second over all conversations together, while tokens keep coming.

    Args:
        window: how many arrivals of tokens count.
        clock: monotonic seconds.
    """

    def __init__(self, window: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=window)  # (seconds since the previous arrival, tokens)
        self._last: float | None = None

    def add(self, tokens: int) -> None:
        """Count tokens that arrived just now."""
        now = self._clock()
        if self._last is not None and now - self._last <= _LONGEST_GAP_SECONDS:
            self._arrivals.append((now - self._last, tokens))
        self._last = now

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens per second over the latest arrivals; None before the second one."""
        seconds = sum(gap for gap, _ in self._arrivals)
        return sum(tokens for _, tokens in self._arrivals) / seconds if seconds > 0 else None
