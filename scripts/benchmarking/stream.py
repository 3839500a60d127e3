"""Answers that stream while something else is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from benchmarking.prompts import Prompts
from bot.engine.interface import Engine, GenerationRequest
from bot.export.timed_generation import MeasureError

STREAMS = 2
_STREAM_PROMPT_TOKENS = 64
STREAM_ANSWER_TOKENS = 1024
"""Longer than what is measured meanwhile; then the answers are cancelled."""

STREAM_TOKENS = _STREAM_PROMPT_TOKENS + STREAM_ANSWER_TOKENS
"""Upper bound of what one of them needs."""

_STREAM_SECONDS = 3600.0
_FEW_TOKENS = 8


class Stream:
    """A streaming answer and the arrival times of its tokens."""

    def __init__(self, engine: Engine, prompt_ids: tuple[int, ...]) -> None:
        self._generation = engine.submit(
            GenerationRequest(prompt_ids, frozenset(), STREAM_ANSWER_TOKENS, time_limit_seconds=_STREAM_SECONDS)
        )
        self._more = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self.arrivals: list[float] = []

    async def wait_for(self, tokens: int = _FEW_TOKENS) -> None:
        """Wait until this many tokens have arrived in all; not twice at a time.

        Raises:
            MeasureError: the answer ended before.
        """
        while len(self.arrivals) < tokens:
            self.require_running()
            self._more.clear()
            await self._more.wait()
        self.require_running()

    def require_running(self) -> None:
        """Raise MeasureError if the answer has ended."""
        if outcome := self._generation.outcome:
            raise MeasureError(f"an answer ended while it should have streamed ({outcome.reason} {outcome.detail})")

    async def end(self) -> None:
        """Cancel the answer and wait for its end."""
        self._generation.cancel()
        await self._reading

    async def _read(self) -> None:
        async for ids in self._generation:
            self.arrivals += [time.perf_counter()] * len(ids)
            self._more.set()
        self._more.set()  # an answer with fewer tokens must not block


@asynccontextmanager
async def two_streams(engine: Engine, prompts: Prompts) -> AsyncIterator[Sequence[Stream]]:
    """Stream two answers, each of which has a few tokens, until the end of the block.

    Raises:
        MeasureError: an answer ended early.
    """
    streams = [
        Stream(engine, prompts.random_ids(f"stream {number}", _STREAM_PROMPT_TOKENS)) for number in range(STREAMS)
    ]
    try:
        await asyncio.gather(*(stream.wait_for() for stream in streams))
        yield streams
        for stream in streams:
            stream.require_running()
    finally:
        await asyncio.gather(*(stream.end() for stream in streams))
