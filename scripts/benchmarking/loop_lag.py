"""How late the event loop is."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Self

from benchmarking.statistics import percentile

TICK_SECONDS = 0.005


class LoopLag:
    """A task that wakes up every 5 ms and notes by how much it was late; an asynchronous context manager."""

    def __init__(self) -> None:
        self._milliseconds: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    @property
    def ticks(self) -> int:
        """How many ticks there were so far; a place for `summary` to begin at."""
        return len(self._milliseconds)

    def summary(self, since: int = 0) -> dict[str, float]:
        """The lag since a tick, in milliseconds; empty if there was no tick."""
        lags = self._milliseconds[since:]
        if not lags:
            return {}
        return {"p50_ms": percentile(lags, 0.5), "p99_ms": percentile(lags, 0.99), "worst_ms": max(lags)}

    async def _tick(self) -> None:
        while True:
            due = time.perf_counter() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._milliseconds.append(max(0.0, time.perf_counter() - due) * 1000)
