"""Runs the real bot on a loopback Discord."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bot.application import Application
from bot.demo.loopback import LoopbackDiscord, connect_discord_py
from bot.errors import ConfigurationError
from bot.lifecycle import Progress
from bot.settings import load_settings

Result = TypeVar("Result")

MESSAGE_CONTENT = "message_content"
"""The privileged intent that the bot can do without."""


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


async def run_as_granted(
    discord: LoopbackDiscord, model_dir: Path, progress: Progress, on_ready: Callable[[], None], **overrides: object
) -> None:
    """Run the bot until cancelled. It asks for the intent that the portal grants, and restarts when that changes.

    Args:
        discord: a started server.
        progress: shows each start.
        on_ready: called whenever the bot is online.
        overrides: settings by field name.

    Raises:
        ConfigurationError: the bot cannot start.
        ConnectionError: the bot stopped without an error.
    """
    with tempfile.TemporaryDirectory(prefix="phi-demo-") as data_dir:
        while True:
            asked = _is_granted(discord)
            settings: dict[str, object] = {"data_dir": data_dir, "message_content_intent": asked, **overrides}
            try:
                async with running_bot(discord, model_dir, progress, **settings) as bot:
                    on_ready()
                    await bot.during(_grant_changes(discord, asked))
                progress.done("The portal's message-content intent changed, so the bot restarts.")
            except ConfigurationError:
                # Discord refuses a bot that asks for an intent which was withdrawn while it started.
                if asked == _is_granted(discord):
                    raise


async def _grant_changes(discord: LoopbackDiscord, was_granted: bool) -> None:
    await discord.wait_for(lambda: _is_granted(discord) != was_granted, math.inf)


def _is_granted(discord: LoopbackDiscord) -> bool:
    return MESSAGE_CONTENT in discord.granted_intents
