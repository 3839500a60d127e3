"""`run`: the bot on Discord."""

from __future__ import annotations

import asyncio
import logging

from bot.cli.log import configure_log
from bot.cli.logged_progress import LoggedProgress
from bot.cli.progress import Progress
from bot.cli.terminal import Terminal
from bot.errors import ConfigurationError
from bot.private_files import warn_of_readers
from bot.settings import ENV_FILE, Settings, load_settings

logger = logging.getLogger(__name__)


def run() -> int:
    """Run the bot until it is stopped, and return the exit code. On a terminal, ask first for what is missing.

    Raises:
        ConfigurationError: a setting is wrong, or Discord, the engine or the system refused one.
    """
    settings = load_settings()
    if (terminal := Terminal.attended()) is not None:
        from bot.cli.first_start import FirstStart

        if code := FirstStart(settings, terminal).complete():
            return code
        settings = load_settings()
    settings.require_token()  # before the imports below, which take seconds
    configure_log(settings.log_level, settings.log_format, settings.secrets)
    warn_of_readers(ENV_FILE)
    try:
        asyncio.run(_run(settings))
    except ConfigurationError as error:
        if settings.log_format == "text":
            raise
        logger.critical("The bot cannot run: cause=%s", error)
        return ConfigurationError.EXIT_CODE
    return 0


async def _run(settings: Settings) -> None:
    from bot.application import Application

    if settings.log_format == "json":
        await Application(settings, LoggedProgress()).run()
        return
    async with Progress().ticking() as progress:
        await Application(settings, progress).run()
