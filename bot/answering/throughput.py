"""How fast tokens came lately."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

# A longer gap is idle time or the reading of a prompt, and says nothing about how fast tokens are generated.
_LONGEST_GAP_SECONDS = 1.0


class Throughput:
    """Measures how many tokens a second were generated, all conversations together, while tokens kept coming.

    Args:
        window: how many arrivals of tokens are remembered.
        clock: seconds that only go forward.
    """

    def __init__(self, window: int = 1000, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=window)  # seconds since the one before, tokens
        self._last: float | None = None

    def add(self, tokens: int) -> None:
        """Count tokens that came just now."""
        now = self._clock()
        if self._last is not None and now - self._last <= _LONGEST_GAP_SECONDS:
            self._arrivals.append((now - self._last, tokens))
        self._last = now

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens a second over the remembered arrivals; None before there are any."""
        seconds = sum(gap for gap, _ in self._arrivals)
        return sum(tokens for _, tokens in self._arrivals) / seconds if seconds > 0 else None
