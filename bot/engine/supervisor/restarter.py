"""Starts a worker again after one has ended, with back-off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot.errors import ConfigurationError
from bot.log_context import create_shared_task

RESTART_DELAYS = (0.0, 1.0, 4.0, 15.0)
"""Back-off in seconds before each restart. After the last attempt, waiting requests fail."""

log = logging.getLogger(__name__)


class Restarter:
    """Starts workers until one runs, or until it gives up.

    Args:
        launch: starts a worker; raises a ConfigurationError or an OSError if it does not start.
        give_up: called with the reason, in one line.
    """

    def __init__(self, launch: Callable[[], Awaitable[object]], give_up: Callable[[str], None]) -> None:
        self._launch = launch
        self._give_up = give_up
        self._starts_without_step = 0  # back-off position
        self._task: asyncio.Task[None] | None = None

    def reset(self) -> None:
        """Note that a worker runs well: the back-off begins anew."""
        self._starts_without_step = 0

    def begin(self) -> None:
        """Start a worker in the background, unless that is going on."""
        if self._task is None:
            self._task = create_shared_task(self._run())

    async def close(self) -> None:
        """Start none any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        detail = "it crashes again and again"
        try:
            while self._starts_without_step < len(RESTART_DELAYS):
                await asyncio.sleep(RESTART_DELAYS[self._starts_without_step])
                self._starts_without_step += 1
                try:
                    await self._launch()
                except (ConfigurationError, OSError) as error:
                    detail = str(error)
                    log.warning("engine did not start error=%s", detail)
                else:
                    return
            self._starts_without_step = 0  # the next request makes it try again
        finally:
            self._task = None
        self._give_up(detail)
