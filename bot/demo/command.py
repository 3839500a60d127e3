"""`python -m bot demo`: the real bot on a loopback Discord, without an account."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
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
    "repetition_penalty": 1.05,  # without it, a model this small repeats itself in half its answers
}

_LONGEST_TEXT = 1950  # Discord takes 2,000 characters, the mention included


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
        ConfigurationError: a text cannot be sent, the port cannot be used, or the model cannot be fetched or used.
    """
    for text in say:
        _require_sendable(text)
    overrides: dict[str, object] = {}
    if model_dir is None:
        model_dir = await asyncio.to_thread(fetch_small_model, DEFAULT_FOLDER, progress.stage)
        overrides.update(_SMALL_MODEL_SETTINGS)
    async with LoopbackDiscord() as discord:
        if say:
            async with running_bot(discord, model_dir, progress, **overrides) as bot:
                return await bot.during(say_all(discord, bot.application.client, say))
        async with (
            # Before the bot: a port that cannot be used is known before the model is loaded.
            _served_page(discord, port) as url,
            running_bot(discord, model_dir, progress, **overrides) as bot,
        ):
            progress.done(
                f"\n  Open {url}\n  and write: @Phi what is the capital of France?\n\n  Ctrl-C ends the demo."
            )
            await bot.during(asyncio.Event().wait())
    return 0


def _require_sendable(text: str) -> None:
    """Refuse a text that would reach no bot, or that a bot would not answer."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigurationError("the text of --say is not valid UTF-8; save or type it as UTF-8") from None
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise ConfigurationError("--say needs a text that can be seen")
    if len(text) > _LONGEST_TEXT:
        raise ConfigurationError(
            f"the text of --say has {len(text)} characters, and Discord takes {_LONGEST_TEXT} beside the mention; "
            "shorten it"
        )


@asynccontextmanager
async def _served_page(discord: LoopbackDiscord, port: int) -> AsyncIterator[str]:
    """Serve the page inside the block, and yield its address."""
    page = DemoPage(discord)
    try:
        url = await page.start(port)
    except OSError as error:
        await page.close()
        cause = os.strerror(error.errno or 0)
        raise ConfigurationError(
            f"port {port} of 127.0.0.1 cannot be used ({cause}); choose another with --port"
        ) from error
    try:
        yield url
    finally:
        await page.close()
