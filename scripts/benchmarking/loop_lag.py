"""The event loop's lag."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Self

from benchmarking.statistics import percentile

TICK_SECONDS = 0.005


class LoopLag:
    """An asynchronous context manager that wakes up every 5 ms and records how late it is."""

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
        """The number of ticks so far, from which a `summary` can start."""
        return len(self._milliseconds)

    def summary(self, since: int = 0) -> dict[str, float]:
        """Return the lag since a tick, in milliseconds; empty without a tick."""
        lags = self._milliseconds[since:]
        if not lags:
            return {}
        return {"p50_ms": percentile(lags, 0.5), "p99_ms": percentile(lags, 0.99), "worst_ms": max(lags)}

    async def _tick(self) -> None:
        while True:
            due = time.perf_counter() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            self._milliseconds.append(max(0.0, time.perf_counter() - due) * 1000)
