"""Keeps erasures for later workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from bot.engine.interface import Erasure
from bot.engine.supervisor.job import Job

_RECENT_SECONDS = 600.0
"""Longer than it takes to submit a request after its conversation was read, and for a worker to apply an erasure."""


class RecentErasures:
    """The erasures that the next worker needs.

    It gets the requests that have not ended, and some of them may hold words that were erased after their conversations
    were read. A request may also be submitted after an erasure that it does not know, and the worker before may have
    crashed before it applied the last one; so all erasures are kept for a while.

    Args:
        jobs: the requests that have not ended.
        clock: monotonic seconds.
    """

    def __init__(self, jobs: Callable[[], Iterable[Job]], clock: Callable[[], float] = time.monotonic) -> None:
        self._jobs = jobs
        self._clock = clock
        self._kept: list[tuple[float, Erasure]] = []

    def add(self, erasure: Erasure) -> None:
        """Keep an erasure as long as a worker may need it."""
        self._kept.append((self._clock(), erasure))
        self._drop()

    def all(self) -> list[Erasure]:
        """The erasures, the oldest first."""
        self._drop()
        return [erasure for _, erasure in self._kept]

    def _drop(self) -> None:
        recent = self._clock() - _RECENT_SECONDS
        known = [job.request.erasures for job in self._jobs()]
        self._kept = [
            (at, erasure)
            for at, erasure in self._kept
            if at > recent or any(erasure.number > number for number in known)
        ]
