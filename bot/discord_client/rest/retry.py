"""Repeats what Discord or the network refuses for now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from bot.discord_client.rest.refusal import refusal_of
from bot.discord_client.rest.time_limit import request_time_limit

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

LONGEST_PAUSE_SECONDS = 60.0
_FIRST_PAUSE_SECONDS = 1.0


def pauses(first: float = _FIRST_PAUSE_SECONDS, longest: float = LONGEST_PAUSE_SECONDS) -> Iterator[float]:
    """The seconds to wait after each failed try, without an end."""
    pause = min(first, longest)
    while True:
        yield pause
        pause = min(2 * pause, longest)


async def until_accepted(what: str, attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Return the result of the first try that is not refused; wait as long as Discord asks in between.

    Args:
        what: names the try in the log line of each failure.

    Raises:
        Exception: what `attempt` raises, unless it may pass.
    """
    waits = pauses()
    while True:
        try:
            async with request_time_limit():
                return await attempt()
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None or not refusal.is_passing:
                raise
        seconds = max(next(waits), refusal.retry_after or 0.0)
        logger.warning("%s failed: next_try_in=%.0fs cause=%s", what, seconds, refusal.reason)
        await asyncio.sleep(seconds)
