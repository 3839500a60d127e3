"""Measures the speed of recent answers: of all together for `/model info`, of each for estimates."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

# A longer gap is idle time or prefill, and says nothing about decode.
_LONGEST_GAP_SECONDS = 1.0

# One step's tokens arrive at once: after a gap that does not count, theirs would have taken no time at all.
_STEP_SECONDS = 0.02

_KEPT_SHARE = 0.99
"""Of what was seen before, at each arrival of tokens."""


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


class DecodePace:
    """How long one answer's token takes, which depends on how many answers are decoded together."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[float, float]] = {}  # by answers decoded together: seconds, tokens

    def add(self, tokens: int, seconds: float, together: int) -> None:
        """Count tokens that arrived in an answer this long after those before them."""
        before_seconds, before_tokens = self._seen.get(together, (0.0, 0.0))
        # The past fades, as answers, prompts and the machine's other work change.
        self._seen[together] = before_seconds * _KEPT_SHARE + seconds, before_tokens * _KEPT_SHARE + tokens

    def token_seconds(self, together: int) -> float | None:
        """Seconds for each token of one answer, at the nearest number of answers that was seen; None at first."""
        if not self._seen:
            return None
        seconds, tokens = self._seen[min(self._seen, key=lambda each: abs(each - together))]
        return seconds / tokens
