"""Estimates how long the engine reads a prompt before the answer begins, from how long it read others."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_LONG_SECONDS = 5.0
"""Members are told of a longer prefill before it."""
_LONG_TOKENS = 250
"""The same as long as the engine's speed is unknown: so many take 5 seconds on two cores."""
_KEPT_SHARE = 0.98
"""Of what was seen before, at each prompt: the machine's load changes."""


@dataclass(frozen=True, slots=True)
class Prefill:
    """What the engine reads before an answer.

    Attributes:
        tokens: those of the prompt that are not in its caches.
        seconds: how long that takes, with what it reads first for others; None as long as its speed is unknown.
    """

    tokens: int
    seconds: float | None

    @property
    def is_long(self) -> bool:
        """Whether a member wants to know."""
        return self.tokens > _LONG_TOKENS if self.seconds is None else self.seconds > _LONG_SECONDS


@dataclass(slots=True)
class _Reading:
    """A prompt that is being read; `work` has the tokens that are read before it, too."""

    began_at: float
    tokens: int
    work: float


class PrefillTimes:
    """Learns from each prompt that was read. The engine reads one after another, the shortest rest first.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reading: dict[Hashable, _Reading] = {}
        # The slope through the origin that fits best: a long prompt says more about long ones than many short ones.
        self._seconds_by_work = self._work_squared = 0.0

    def begin(self, key: Hashable, tokens: int) -> Prefill:
        """Note that the engine begins to read so many tokens of a prompt, and estimate how long that takes."""
        now, pace = self._clock(), self._token_seconds
        self._reading.pop(key, None)
        work: float = tokens
        for other in self._reading.values():
            if (rest := _rest(other, now, pace)) <= tokens:
                work += rest
            else:
                other.work += tokens
        self._reading[key] = _Reading(now, tokens, work)
        return Prefill(tokens, None if pace is None else pace * work)

    def end(self, key: Hashable, *, is_read: bool) -> None:
        """Note that a prompt has been read to its end, or that it no longer is; no effect on others."""
        reading = self._reading.pop(key, None)
        if reading is not None and is_read:
            seconds = self._clock() - reading.began_at
            self._seconds_by_work = self._seconds_by_work * _KEPT_SHARE + seconds * reading.work
            self._work_squared = self._work_squared * _KEPT_SHARE + reading.work**2

    def forget(self) -> None:
        """Start over with another model."""
        self._seconds_by_work = self._work_squared = 0.0

    @property
    def _token_seconds(self) -> float | None:
        return self._seconds_by_work / self._work_squared if self._work_squared else None


def _rest(reading: _Reading, now: float, token_seconds: float | None) -> float:
    """What is probably left to read of a prompt."""
    done = (now - reading.began_at) / token_seconds if token_seconds else 0.0
    return min(max(reading.work - done, 0.0), reading.tokens)
