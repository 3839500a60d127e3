"""`run`: the bot on Discord."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from bot.cli.log import configure_log
from bot.cli.logged_progress import LoggedProgress
from bot.cli.progress import Progress
from bot.cli.terminal import Terminal
from bot.errors import ConfigurationError
from bot.private_files import warn_of_readers
from bot.service_manager import ServiceManager
from bot.settings import ENV_FILE, Settings, load_settings

if TYPE_CHECKING:
    from bot.application import Application

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
        return error.EXIT_CODE
    return 0


async def _run(settings: Settings) -> None:
    from bot.doctor.quick import report_quick_findings

    service_manager = ServiceManager.from_environment()  # first, so that no child gets its variables
    await report_quick_findings(settings)
    if settings.log_format == "json":
        await _run_until_ended(settings, LoggedProgress(), service_manager)
        return
    async with Progress().ticking() as progress:
        await _run_until_ended(settings, progress, service_manager)


async def _run_until_ended(
    settings: Settings, progress: Progress | LoggedProgress, service_manager: ServiceManager
) -> None:
    from bot.application import Application

    while await _restarts(Application(settings, progress, service_manager)):
        pass


async def _restarts(application: Application) -> bool:
    """Run the bot to its end; return whether it ended to start again, with a backup that it restores first."""
    from bot.lifecycle import cancel_on_terminate

    try:
        await application.run()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not application.restarts or task is None or task.uncancel():  # Ctrl-C is one more cancellation
            raise
        cancel_on_terminate()
        return True
    return False
