"""The real bot, run against a loopback Discord."""

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
    """A bot that is online, and the task in which it runs."""

    application: Application
    task: asyncio.Task[None]

    async def during(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do something for as long as the bot runs.

        Raises:
            ConnectionError: the bot ended by itself meanwhile.
            Exception: what the work, or the bot when it ended, raised.
        """
        working = asyncio.create_task(work)
        try:
            await asyncio.wait((working, self.task), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working
        await self.task
        raise ConnectionError("the bot ended by itself; see above")


@asynccontextmanager
async def running_bot(
    discord: LoopbackDiscord, model_dir: Path, progress: Progress, **overrides: object
) -> AsyncIterator[RunningBot]:
    """Run the real bot; it is online when the block begins, and ended after it.

    Args:
        discord: the started server to run against.
        model_dir: the model's folder.
        progress: where the start is shown.
        overrides: settings by field name.

    Raises:
        ConfigurationError: the bot does not start.
    """
    with tempfile.TemporaryDirectory(prefix="phi-demo-") as data_dir, connect_discord_py(discord):
        values = {"discord_token": discord.bot_token, "model_dir": model_dir, "data_dir": data_dir, **overrides}
        application = Application(load_settings(env_file=None, **values), progress)
        running = asyncio.create_task(application.run())
        ready = asyncio.create_task(application.ready.wait())
        try:
            await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
            yield RunningBot(application, running)
        finally:
            ready.cancel()
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
