"""A loopback Discord with a real discord.py bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.demo.loopback import LoopbackDiscord, connect_discord_py
from tests.demo.loopback.sample_bot import SampleBot


@asynccontextmanager
async def running(bot: SampleBot, server: LoopbackDiscord) -> AsyncIterator[SampleBot]:
    with connect_discord_py(server):
        task = asyncio.create_task(bot.start(server.bot_token))
        try:
            await eventually(lambda: server.bot_online or task.done())
            if task.done():
                task.result()
            await bot.wait_until_ready()
            yield bot
        finally:
            await bot.close()
            await asyncio.wait([task])


async def eventually(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Return the condition's value once it is truthy. It looks at the bot, which publishes no events."""
    async with asyncio.timeout(seconds):
        while not (found := condition()):  # noqa: ASYNC110  discord.py offers no event to wait for
            await asyncio.sleep(0.005)
    return found


@pytest.fixture
async def server() -> AsyncIterator[LoopbackDiscord]:
    async with LoopbackDiscord() as server:
        yield server


@pytest.fixture
def bot_class() -> type[SampleBot]:
    return SampleBot


@pytest.fixture
async def bot(server: LoopbackDiscord, bot_class: type[SampleBot]) -> AsyncIterator[SampleBot]:
    async with running(bot_class(), server) as bot:
        yield bot
