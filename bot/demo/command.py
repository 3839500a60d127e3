"""`python -m bot demo`: the real bot on a loopback Discord, without an account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bot.demo.loopback import LoopbackDiscord
from bot.demo.page import DemoPage
from bot.demo.running_bot import MESSAGE_CONTENT, run_as_granted, running_bot
from bot.demo.say import say_all
from bot.demo.small_model import DEFAULT_FOLDER, fetch_small_model
from bot.errors import ConfigurationError
from bot.lifecycle import Progress
from bot.ports import port_refusal

_SETTINGS: dict[str, object] = {"kv_disk_gigabytes": 0}  # the data folder ends with the demo, and may be in memory
_SMALL_MODEL_SETTINGS: dict[str, object] = {
    **_SETTINGS,
    "kv_cache_gigabytes": 0.5,  # plenty: the small model needs 0.02 MB a token
    "draft_model_dir": None,  # one in the environment is for another model
    "repetition_penalty": 1.05,  # without it, a model this small repeats itself in half its answers
}


async def run_demo(progress: Progress, *, model_dir: Path | None, say: Sequence[str], port: int) -> int:
    """Run the bot on a loopback Discord until Ctrl-C, or until everything in `say` is answered.

    Args:
        progress: shows the stages of the start.
        model_dir: a model folder; None fetches the small model.
        say: texts to mention the bot with, one after another; each fits a message. Without any, a page is served.
        port: the page's port; 0 takes a free one.

    Returns:
        The exit code: 0 unless a text in `say` got no answer.

    Raises:
        ConfigurationError: the port cannot be used, or the model cannot be fetched or used.
    """
    async with LoopbackDiscord(granted_intents=[MESSAGE_CONTENT]) as discord:
        if say:
            folder, settings = await _model(model_dir, progress)
            async with running_bot(discord, folder, progress, **settings) as bot:
                return await bot.during(say_all(discord, bot.application.client, say))
        discord.add_server("Book club")  # without the bot, to try the application on one's own account
        discord.add_forum("ideas")
        # The page first: a port that cannot be used is found before a model is fetched.
        async with _served_page(discord, port) as url:
            folder, settings = await _model(model_dir, progress)
            invitation = f"\n  Open {url}\n  and write: @Phi what is the capital of France?\n\n  Ctrl-C ends the demo."
            await run_as_granted(discord, folder, progress, lambda: progress.done(invitation), **settings)
    return 0


async def _model(model_dir: Path | None, progress: Progress) -> tuple[Path, dict[str, object]]:
    """Return the model's folder, the small model's if there is no other, and the bot's settings for it."""
    if model_dir is not None:
        return model_dir, _SETTINGS
    return await asyncio.to_thread(fetch_small_model, DEFAULT_FOLDER, progress.stage), _SMALL_MODEL_SETTINGS


@asynccontextmanager
async def _served_page(discord: LoopbackDiscord, port: int) -> AsyncIterator[str]:
    """Serve the page inside the block, and yield its address."""
    page = DemoPage(discord)
    try:
        url = await page.start(port)
    except OSError as error:
        await page.close()
        raise ConfigurationError(f"{port_refusal('127.0.0.1', port, error)}; choose another with --port") from error
    try:
        yield url
    finally:
        await page.close()
