"""A limit of so many requests in so many seconds."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable

_SPARE_SECONDS = 0.05  # clocks, here and there, are not read at the same moment


class Window:
    """Counts requests in a sliding window.

    A request counts from its start until the window has passed after its end. Discord counts it somewhere between, so
    whatever its own window looks like, it never holds more.

    Args:
        most: how many requests fit.
        seconds: the length of the window.
        longest: seconds after which a request that has not ended counts no longer, until it ends.

    Attributes:
        paused_until: nothing fits before, whatever was counted.
        grows_after: when the next growing text may move.
    """

    def __init__(self, most: float, seconds: float, longest: float = math.inf) -> None:
        self._most = most
        self._seconds = seconds + _SPARE_SECONDS
        self._longest = longest
        self._running: dict[Hashable, float] = {}  # when each started, the earliest first
        self._ended: deque[float] = deque()
        self.paused_until = -math.inf
        self.grows_after = -math.inf

    def has_room(self, now: float, kept: int = 0) -> bool:
        """Whether a request fits, and after it so many others."""
        self._forget(now)
        return now >= self.paused_until and len(self._running) + len(self._ended) + kept < self._most

    def begin(self, request: Hashable, now: float) -> None:
        """Count a request that starts."""
        self._running[request] = now

    def end(self, request: Hashable, now: float, *, used: bool) -> None:
        """Count a request's end; one that was not used frees its room at once."""
        self._running.pop(request, None)
        if used and self._most < math.inf:
            self._ended.append(now)

    def next_free(self, now: float) -> float:
        """When time alone makes room for the next request; infinity if it does not."""
        if self.paused_until > now:
            return self.paused_until
        ended = self._ended[0] + self._seconds if self._ended else math.inf
        return min(ended, next(iter(self._running.values())) + self._longest if self._running else math.inf)

    def is_idle(self, now: float) -> bool:
        """Whether it counts nothing."""
        self._forget(now)
        return not self._running and not self._ended and now >= self.paused_until

    def _forget(self, now: float) -> None:
        while self._ended and self._ended[0] + self._seconds <= now:
            self._ended.popleft()
        while self._running:
            request, began = next(iter(self._running.items()))
            if began + self._longest > now:
                break
            del self._running[request]
