"""`run`: the bot on Discord."""

from __future__ import annotations

import asyncio

from bot.cli.log import configure_log
from bot.cli.progress import Progress
from bot.private_files import warn_of_readers
from bot.settings import ENV_FILE, Settings, load_settings


def run() -> int:
    """Run the bot until it is stopped, and return the exit code.

    Raises:
        ConfigurationError: a setting is wrong, or Discord, the engine or the system refused one.
    """
    settings = load_settings()
    settings.require_token()  # before the imports below, which take seconds
    configure_log(settings.log_level)
    warn_of_readers(ENV_FILE)
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    from bot.application import Application

    async with Progress().ticking() as progress:
        await Application(settings, progress).run()
