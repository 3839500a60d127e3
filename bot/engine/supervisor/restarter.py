"""Starts a worker again after one has ended, with back-off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bot.engine.interface import EngineFacts
from bot.errors import ConfigurationError, ModelDoesNotFitError, ServerUnreachableError
from bot.log_context import create_shared_task

RESTART_DELAYS = (0.0, 1.0, 4.0, 15.0)
"""Back-off in seconds before each restart. After the last attempt, waiting requests fail."""

RETRY_SECONDS = 60.0
"""Pause before another attempt where the cause may pass by itself. A request ends it."""

_MAY_PASS = (ModelDoesNotFitError, ServerUnreachableError)  # another program takes the memory; servers are down

log = logging.getLogger(__name__)


class Restarter:
    """Starts workers until one runs. If the cause does not pass by itself, only the next request tries again.

    Args:
        launch: starts a worker; raises a ConfigurationError or an OSError if it does not start.
        give_up: called with the reason, in one line, when no request should wait any longer.
    """

    def __init__(self, launch: Callable[[], Awaitable[EngineFacts]], give_up: Callable[[str], None]) -> None:
        self._launch = launch
        self._give_up = give_up
        self._starts_without_step = 0  # back-off position
        self._logged = ""
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()

    def reset(self) -> None:
        """Note that a worker runs well: the back-off begins anew."""
        self._starts_without_step = 0

    def begin(self) -> None:
        """Start a worker in the background, unless that is going on."""
        self._wanted.set()
        if self._task is None:
            self._task = create_shared_task(self._run())

    async def close(self) -> None:
        """Start none any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while (error := await self._start()) is not None:
                self._give_up(str(error))
                if not isinstance(error, _MAY_PASS):
                    return
                await self._pause()
        finally:
            self._task = None

    async def _start(self) -> ConfigurationError | OSError | None:
        """Start a worker, with back-off; return why none runs."""
        error: ConfigurationError | OSError = ConfigurationError("it crashes again and again")
        while self._starts_without_step < len(RESTART_DELAYS):
            await asyncio.sleep(RESTART_DELAYS[self._starts_without_step])
            self._starts_without_step += 1
            try:
                facts = await self._launch()
            except (ConfigurationError, OSError) as refusal:
                error = refusal
                self._log(str(refusal))
            else:
                log.info("engine runs again process_id=%d", facts.process_id)
                self._logged = ""
                return None
        self.reset()
        return error

    def _log(self, reason: str) -> None:
        """Log why the engine did not start, but not again and again: servers may be down for days."""
        if reason != self._logged:
            self._logged = reason
            log.warning("engine did not start error=%s", reason)

    async def _pause(self) -> None:
        """Wait for a request, which gets the whole back-off, or until one more attempt is due."""
        self._wanted.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wanted.wait(), RETRY_SECONDS)
            return
        self._starts_without_step = len(RESTART_DELAYS) - 1
