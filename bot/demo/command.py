"""`python -m bot demo`: the real bot on a loopback Discord, without an account."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from bot.application import Progress
from bot.demo.loopback import LoopbackDiscord
from bot.demo.page import DemoPage
from bot.demo.running_bot import running_bot
from bot.demo.say import say_all
from bot.demo.small_model import DEFAULT_FOLDER, fetch_small_model
from bot.errors import ConfigurationError

_SMALL_MODEL_SETTINGS = {
    "kv_cache_gigabytes": 0.5,  # plenty: the small model needs 0.02 MB a token
    "repetition_penalty": 1.05,  # without it, a model this small repeats one sentence forever
}


async def run_demo(progress: Progress, *, model_dir: Path | None, say: Sequence[str], port: int) -> int:
    """Run the bot on a loopback Discord until Ctrl-C, or until everything in `say` is answered.

    Args:
        progress: shows the stages of the start.
        model_dir: a model folder; None fetches the small model.
        say: texts to mention the bot with, one after another. Without any, a page is served instead.
        port: the page's port; 0 takes a free one.

    Returns:
        The exit code: 0 unless a text in `say` got no answer.

    Raises:
        ConfigurationError: the model cannot be fetched or used, or the page's port is in use.
    """
    overrides: dict[str, object] = {}
    if model_dir is None:
        model_dir = await asyncio.to_thread(fetch_small_model, DEFAULT_FOLDER, progress.stage)
        overrides.update(_SMALL_MODEL_SETTINGS)
    async with LoopbackDiscord() as discord, running_bot(discord, model_dir, progress, **overrides) as bot:
        if say:
            return await bot.during(say_all(discord, bot.application.client, say))
        await bot.during(_serve_page(discord, progress, port))
    return 0


async def _serve_page(discord: LoopbackDiscord, progress: Progress, port: int) -> None:
    page = DemoPage(discord)
    try:
        url = await page.start(port)
    except OSError as error:
        raise ConfigurationError(
            f"the page cannot listen on port {port} ({error.strerror}); choose another with --port"
        ) from error
    try:
        progress.done(f"\n  Open {url}\n  and write: @Phi what is the capital of France?\n\n  Ctrl-C ends the demo.")
        await asyncio.Event().wait()
    finally:
        await page.close()
