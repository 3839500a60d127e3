"""Deletes what is older than `RETENTION_DAYS`, for as long as the bot runs."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from bot.conversation.conversations import Conversations
from bot.conversation.snowflake import snowflake_at

logger = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 3600.0


class Retention:
    """Forgets old turns.

    Args:
        conversations: forgets them, in memory and in the store.
        days: how long a turn is kept; None keeps everything.
    """

    def __init__(self, conversations: Conversations, days: float | None) -> None:
        self._conversations = conversations
        self._days = days

    async def run(self) -> None:
        """Forget what is too old, at once and then at least every hour, until cancelled."""
        if self._days is None:
            return
        kept_for = timedelta(days=self._days)
        while True:
            try:
                await self._conversations.forget_before(snowflake_at(datetime.now(UTC) - kept_for))
            except Exception:  # the next round tries again
                logger.exception("Retention failed")
            await asyncio.sleep(min(_LONGEST_PAUSE_SECONDS, kept_for.total_seconds() / 10))
