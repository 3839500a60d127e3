"""Runs the real bot on a loopback Discord."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bot.application import Application, Progress
from bot.demo.loopback import LoopbackDiscord, connect_discord_py
from bot.settings import load_settings

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class RunningBot:
    """An online bot and its task."""

    application: Application
    task: asyncio.Task[None]

    async def during(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of `work`, which is cancelled if the bot ends first.

        Raises:
            ConnectionError: the bot stopped without an error.
            Exception: whatever the work or the bot raised.
        """
        work_task = asyncio.create_task(work)
        try:
            await asyncio.wait((work_task, self.task), return_when=asyncio.FIRST_COMPLETED)
            if work_task.done():
                return work_task.result()
        finally:
            work_task.cancel()
            with suppress(asyncio.CancelledError):
                await work_task
        await self.task
        raise ConnectionError("the bot stopped; the log above says why")


@asynccontextmanager
async def running_bot(
    discord: LoopbackDiscord, model_dir: Path, progress: Progress, **overrides: object
) -> AsyncIterator[RunningBot]:
    """Run the real bot, which is online inside the block.

    Args:
        discord: a started server.
        progress: shows the bot's start.
        overrides: settings by field name.

    Raises:
        ConfigurationError: the bot cannot start.
    """
    with tempfile.TemporaryDirectory(prefix="phi-demo-") as data_dir, connect_discord_py(discord):
        values = {"discord_token": discord.bot_token, "model_dir": model_dir, "data_dir": data_dir, **overrides}
        application = Application(load_settings(env_file=None, **values), progress)
        bot_task = asyncio.create_task(application.run())
        ready = asyncio.create_task(application.ready.wait())
        try:
            await asyncio.wait((bot_task, ready), return_when=asyncio.FIRST_COMPLETED)
            if bot_task.done():
                await bot_task
            yield RunningBot(application, bot_task)
        finally:
            ready.cancel()
            bot_task.cancel()
            with suppress(asyncio.CancelledError):
                await bot_task
