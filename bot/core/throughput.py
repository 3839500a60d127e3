"""How fast tokens came lately."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class Throughput:
    """Counts generated tokens over the last busy seconds, idle time left out.

    Args:
        window_seconds: how many busy seconds are remembered.
        clock: seconds that only go forward.
    """

    def __init__(self, window_seconds: int = 60, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: deque[tuple[int, int]] = deque(maxlen=window_seconds)

    def add(self, tokens: int) -> None:
        """Count tokens that came just now."""
        second = int(self._clock())
        if self._buckets and self._buckets[-1][0] == second:
            tokens += self._buckets.pop()[1]
        self._buckets.append((second, tokens))

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens a second, all conversations together; None before the first token."""
        if not self._buckets:
            return None
        return sum(tokens for _, tokens in self._buckets) / len(self._buckets)
