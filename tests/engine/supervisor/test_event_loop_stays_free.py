"""The reason for the child process: the bot's event loop stays free while OpenVINO computes for seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bot.engine.interface import EngineOptions, FinishReason
from bot.engine.supervisor.supervisor import EngineSupervisor
from tests.engine.conftest import collect, request

WORST_LAG_SECONDS = 0.25


class LoopWatch:
    """Measures how late the event loop wakes a short sleep."""

    def __init__(self) -> None:
        self.worst_lag = 0.0

    async def run(self) -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(0.01)
            self.worst_lag = max(self.worst_lag, time.perf_counter() - asked - 0.01)


@asynccontextmanager
async def watching() -> AsyncIterator[LoopWatch]:
    watch = LoopWatch()
    task = asyncio.create_task(watch.run())
    yield watch
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_loop_lag_stays_small_from_start_to_end(slow_options: EngineOptions) -> None:
    engine = EngineSupervisor(slow_options)
    async with watching() as watch:
        await engine.start()
        started = time.perf_counter()
        generation = engine.submit(request(*range(3, 483), limit=8))
        # Far more than a pipe holds, while the worker computes and does not read.
        crowd = [engine.submit(request(*[3] * 4096)) for _ in range(60)]
        first_token = 0.0

        def note(_: list[int]) -> None:
            nonlocal first_token
            first_token = first_token or time.perf_counter() - started

        ids, _ = await collect(generation, note)
        outcomes = [(await collect(each))[1].reason for each in crowd]
        await engine.close()
    assert len(ids) == 8
    assert set(outcomes) == {FinishReason.NO_ROOM}
    assert first_token > WORST_LAG_SECONDS, "the step was too short to show anything"
    # A busy machine delays the loop and the step alike; a step that blocks the loop delays it by its whole length.
    assert watch.worst_lag < max(WORST_LAG_SECONDS, first_token / 8)


async def test_a_prompt_larger_than_the_cache_ends_and_the_next_one_is_answered(
    slow_options: EngineOptions,
) -> None:
    engine = EngineSupervisor(slow_options)
    await engine.start()
    ids, outcome = await collect(engine.submit(request(*range(3, 1203))))
    assert ids == []
    assert outcome.reason is FinishReason.NO_ROOM
    assert "tokens" in outcome.detail
    ids, outcome = await collect(engine.submit(request(1, 2, 3, limit=8)))
    assert len(ids) == 8
    assert outcome.reason is FinishReason.LENGTH
    await engine.close()
