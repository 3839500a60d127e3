"""Estimates when waiting questions start, from how answers went lately.

An answer's length is known only once it has ended, so one guess for each would mislead: of eight running answers one
ends long before the usual length. So the queue is played through several times, each time with lengths drawn from the
latest answers, and the estimate is the median of the starts.
"""

from __future__ import annotations

import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from bot.answering.queue import QuestionQueue, Ticket, WaitsFor
from bot.answering.throughput import DecodePace

_LATEST = 50
_TRIALS = 15


@dataclass(slots=True)
class _Progress:
    """An answer; its last token came `seconds` after it began."""

    began_at: float
    start_seconds: float = 0.0  # to the first token
    seconds: float = 0.0
    tokens: int = 0


class WaitingTimes:
    """Learns from the running answers, and estimates when the waiting ones start.

    Args:
        queue: where they wait.
        clock: monotonic seconds.
    """

    def __init__(self, queue: QuestionQueue, clock: Callable[[], float] = time.monotonic) -> None:
        self._queue = queue
        self._clock = clock
        self._pace = DecodePace()
        self._running: dict[Ticket, _Progress] = {}
        self._ended: deque[_Progress] = deque(maxlen=_LATEST)
        self._starts: dict[Ticket, float] = {}  # on the clock, as estimated lately
        self._estimated: tuple[Sequence[Ticket], int] = (), 0  # for whom, and in which second

    @contextmanager
    def running(self, ticket: Ticket) -> Iterator[None]:
        """Follow an answer from its start to its end."""
        progress = self._running[ticket] = _Progress(self._clock())
        try:
            yield
        finally:
            del self._running[ticket]
            if progress.tokens:
                self._ended.append(progress)

    def add_tokens(self, ticket: Ticket, tokens: int) -> None:
        """Count tokens of a running answer that arrived just now."""
        progress = self._running[ticket]
        seconds = self._clock() - progress.began_at
        if progress.tokens:
            together = sum(each.tokens > 0 for each in self._running.values())
            self._pace.add(tokens, seconds - progress.seconds, together)
        else:
            progress.start_seconds = seconds
        progress.seconds = seconds
        progress.tokens += tokens

    def forget(self) -> None:
        """Start over with another model; running answers are followed on."""
        self._pace = DecodePace()
        self._ended.clear()

    def seconds_to_start(self, ticket: Ticket) -> float | None:
        """Estimate how long a waiting question waits from now on.

        Returns:
            None before the first answer has ended, and during a pause, which may take any time.
        """
        if not self._ended or not ticket.position or ticket.waits_for is WaitsFor.RESUMPTION:
            return None
        now, waiting = self._clock(), tuple(self._queue.forecast)
        # Each waiting question asks after each change of the queue.
        if (estimated := (waiting, int(now))) != self._estimated:
            trials = [self._play(waiting, now, random.Random(seed)) for seed in range(_TRIALS)]  # noqa: S311 - no secret
            starts = (median(each) for each in zip(*trials, strict=True))
            self._starts, self._estimated = dict(zip(waiting, starts, strict=True)), estimated
        return max(self._starts[ticket] - now, 0.0)

    def _play(self, waiting: Sequence[Ticket], now: float, draw: random.Random) -> list[float]:
        """Draw when each waiting question starts."""
        queue = self._queue
        token_seconds = self._pace.token_seconds(max(queue.running, 1)) or 0.0
        free_at, lanes = [now] * (queue.most_running - queue.running), {}
        for ticket in queue.running_tickets:
            lanes[ticket.lane] = now + self._rest(ticket, now, token_seconds, draw)
            free_at.append(lanes[ticket.lane])
        heapq.heapify(free_at)
        starts = []
        for ticket in waiting:
            starts.append(max(heapq.heappop(free_at), lanes.get(ticket.lane, now)))
            lanes[ticket.lane] = starts[-1] + self._whole(token_seconds, draw)
            heapq.heappush(free_at, lanes[ticket.lane])
        return starts

    def _rest(self, ticket: Ticket, now: float, token_seconds: float, draw: random.Random) -> float:
        """Draw how long a running question still takes; its files may still be being read."""
        progress = self._running.get(ticket)
        if progress is None:
            return self._whole(token_seconds, draw)
        if progress.tokens:
            return _rest([each.tokens for each in self._ended], progress.tokens, draw) * token_seconds
        start = _rest([each.start_seconds for each in self._ended], now - progress.began_at, draw)
        return start + draw.choice(self._ended).tokens * token_seconds

    def _whole(self, token_seconds: float, draw: random.Random) -> float:
        """Draw how long an answer takes from its start."""
        ended = draw.choice(self._ended)
        return ended.start_seconds + ended.tokens * token_seconds


def _rest(lengths: Sequence[float], so_far: float, draw: random.Random) -> float:
    """Draw the rest of what is longer than it is so far; what outlasts all others may take as long again."""
    longer = [each - so_far for each in lengths if each > so_far]
    return draw.choice(longer) if longer else so_far * draw.random()
