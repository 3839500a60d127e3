"""Discord's limits: how many requests it takes, and what it answers to more."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bot.demo.loopback.api_calls import CallKind, Limit

_INVALID_SECONDS = 600.0
_RENAME_SECONDS = 600.0
_INVALID_STATUSES = (401, 403, 429)
_MOST_IDLE_WINDOWS = 1000


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How many requests the server takes in a sliding window; None for as many as come.

    Discord documents `requests` and `invalid_requests`; the others are what bots see in practice.
    Source: https://discord.com/developers/docs/topics/rate-limits

    Attributes:
        requests: a second in all. Responses to interactions do not count.
        sends: messages to one channel; also `edits`, `deletes` and `typing`, each counted by itself.
        webhook_calls: followups, edits and deletions by one interaction's token.
        renames: new names for one channel or thread, in 10 minutes.
        seconds: the window of all of these but `requests` and `renames`.
        invalid_requests: responses of 401, 403 and 429 in 10 minutes, from which on Cloudflare bans the bot.
    """

    requests: int | None = 50
    sends: int | None = 5
    edits: int | None = 5
    deletes: int | None = 5
    typing: int | None = 5
    webhook_calls: int | None = 5
    renames: int | None = 2
    seconds: float = 5.0
    invalid_requests: int | None = 10_000

    def of(self, kind: CallKind) -> int | None:
        """Return the limit for one kind of call on one channel or token."""
        return {
            CallKind.SEND: self.sends,
            CallKind.EDIT: self.edits,
            CallKind.DELETE: self.deletes,
            CallKind.TYPING: self.typing,
            CallKind.WEBHOOK: self.webhook_calls,
            CallKind.RENAME: self.renames,
        }.get(kind)

    def seconds_of(self, kind: CallKind) -> float:
        """Return the window of a kind of call."""
        return _RENAME_SECONDS if kind is CallKind.RENAME else self.seconds


UNLIMITED = RateLimits(None, None, None, None, None, None, None, invalid_requests=None)
"""No limit at all."""


class SlidingWindow:
    """The times of the requests that were taken in the last so many seconds."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._taken: deque[float] = deque()

    def count(self, now: float) -> int:
        """Return how many requests are in the window."""
        while self._taken and self._taken[0] <= now - self.seconds:
            self._taken.popleft()
        return len(self._taken)

    def wait(self, now: float) -> float:
        """Return the seconds until the next request is taken; 0 if it is taken now."""
        count = self.count(now)
        return 0.0 if count < self.limit else self._taken[count - self.limit] + self.seconds - now

    def take(self, now: float) -> None:
        """Count a request."""
        self._taken.append(now)


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit that a request exceeds, and the seconds until it would not."""

    limit: Limit
    retry_after: float


class RateLimiter:
    """Counts a bot's requests and says which of them exceed a limit. A request that does is not counted."""

    def __init__(
        self, limits: RateLimits, *, announces: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with empty windows.

        Args:
            announces: whether `headers` returns any.
            clock: in seconds.
        """
        self._limits = limits
        self._announces = announces
        self._clock = clock
        self._all = _window(limits.requests, 1.0)
        self._invalid = SlidingWindow(limits.invalid_requests or 0, _INVALID_SECONDS)
        self._windows: dict[tuple[CallKind, str], SlidingWindow] = {}

    @property
    def invalid_requests(self) -> int:
        """Invalid requests in the last 10 minutes."""
        return self._invalid.count(self._clock())

    def take(self, kind: CallKind, key: str) -> Exceeded | None:
        """Count a request, or return the limit that it exceeds.

        Args:
            key: the channel's id or the interaction's token.
        """
        now = self._clock()
        if self._limits.invalid_requests is not None and (wait := self._invalid.wait(now)):
            return Exceeded(Limit.CLOUDFLARE, wait)
        if self._all is not None and kind not in (CallKind.CALLBACK, CallKind.WEBHOOK):
            if wait := self._all.wait(now):
                return Exceeded(Limit.GLOBAL, wait)
            self._all.take(now)
        window = self._window_of(kind, key, now)
        if window is not None:
            if wait := window.wait(now):
                return Exceeded(Limit.CHANNEL, wait)
            window.take(now)
        return None

    def answered(self, status: int, limit: Limit | None) -> None:
        """Count an invalid request. Cloudflare's own responses and limits shared with others do not count."""
        if status in _INVALID_STATUSES and limit not in (Limit.CLOUDFLARE, Limit.SHARED):
            self._invalid.take(self._clock())

    def headers(self, kind: CallKind, key: str) -> dict[str, str]:
        """Return what a response says about the limit of its kind of call, as if its window were a fixed one.

        Who believes it waits until the whole window is free, so a sliding window never refuses them.
        """
        window = self._windows.get((kind, key))
        if window is None or not self._announces:
            return {}
        return {
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Remaining": str(max(0, window.limit - window.count(self._clock()))),
            "X-RateLimit-Reset": f"{time.time() + window.seconds:.3f}",
            "X-RateLimit-Reset-After": f"{window.seconds:.3f}",
            "X-RateLimit-Bucket": f"loopback-{kind}",
        }

    def _window_of(self, kind: CallKind, key: str, now: float) -> SlidingWindow | None:
        limit = self._limits.of(kind)
        if limit is None:
            return None
        window = self._windows.get((kind, key))
        if window is None:
            if len(self._windows) >= _MOST_IDLE_WINDOWS:
                self._windows = {place: one for place, one in self._windows.items() if one.count(now)}
            window = self._windows[kind, key] = SlidingWindow(limit, self._limits.seconds_of(kind))
        return window


def _window(limit: int | None, seconds: float) -> SlidingWindow | None:
    return None if limit is None else SlidingWindow(limit, seconds)
