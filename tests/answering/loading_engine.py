"""An engine with a disk cache whose loads end when a test says so, for what no real engine does slowly enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from bot.engine.interface import EngineFacts, FinishReason, Generation, GenerationRequest, Outcome
from bot.engine.usage import NO_USAGE
from tests.answering.scripted_engine import ScriptedEngine

DEADLINE_SECONDS = 60


class Load:
    """A prefill-only request that ends with `end`, with its cancellation, or with its conversation's question."""

    def __init__(self, prompt_ids: tuple[int, ...]) -> None:
        self.prompt_ids = prompt_ids
        self.outcome: Outcome | None = None
        self.usage = NO_USAGE
        self.on_prefill: Callable[[int], None] = lambda _: None
        self._ended = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[tuple[int, ...]]:
        await self._ended.wait()
        return
        yield  # makes it a generator

    def cancel(self) -> None:
        self.end(FinishReason.CANCELLED)

    def end(self, reason: FinishReason = FinishReason.LENGTH) -> None:
        self.outcome = self.outcome or Outcome(reason)
        self._ended.set()


class LoadingEngine(ScriptedEngine):
    """Answers as scripted, and leaves the ends of its loads to the test.

    Attributes:
        disk_cache_bytes: what its facts say.
    """

    def __init__(self, *scripts: Sequence[int]) -> None:
        super().__init__(*scripts)
        self.disk_cache_bytes = 10**9
        self._latest: Load | None = None
        self._loads: asyncio.Queue[Load] = asyncio.Queue()

    @property
    def facts(self) -> EngineFacts:
        return replace(super().facts, cache_tokens=100_000, disk_cache_bytes=self.disk_cache_bytes)

    def submit(self, request: GenerationRequest) -> Generation:
        if not request.prefill_only:
            latest = self._latest
            if latest is not None and request.prompt_ids[: len(latest.prompt_ids)] == latest.prompt_ids:
                latest.cancel()
            return super().submit(request)
        assert self._latest is None or self._latest.outcome is not None, "two loads at once"
        self._latest = Load(request.prompt_ids)
        self._loads.put_nowait(self._latest)
        return self._latest

    async def next_load(self) -> Load:
        """Wait for a load that the test has not had yet."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self._loads.get()

    @property
    def unseen_loads(self) -> int:
        """How many loads the test has not had yet."""
        return self._loads.qsize()
