"""The real bot with the real small model on a loopback Discord, online for a whole module's tests."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from bot.cli.progress import Progress
from bot.demo.loopback import LoopbackDiscord
from bot.demo.running_bot import running_bot
from tests.end_to_end.stage import Stage
from tests.small_model import small_model_dir

__all__ = ["small_model_dir", "stage"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(small_model_dir: Path) -> AsyncIterator[Stage]:
    """A bot that is online, and the people and channels around it."""
    async with (
        LoopbackDiscord() as discord,
        running_bot(
            discord, small_model_dir, Progress(io.StringIO()), kv_cache_gigabytes=0.5, max_new_tokens=700
        ) as bot,
    ):
        yield Stage(discord, bot)
