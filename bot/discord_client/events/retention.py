"""What was said is forgotten after a time, if the person who runs the bot wants that."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import discord
from discord.ext import commands

from bot.conversation.conversations import Conversations

logger = logging.getLogger(__name__)

_MOST_SECONDS_BETWEEN = 3600.0


class RetentionCog(commands.Cog):
    """Forgets for as long as it is loaded.

    Args:
        conversations: what is remembered.
        days: for how long; None is without an end.
    """

    def __init__(self, conversations: Conversations, days: float | None) -> None:
        self._conversations = conversations
        self._days = days
        self._task: asyncio.Task[None] | None = None

    async def cog_load(self) -> None:
        """Begin to forget."""
        if self._days is not None:
            self._task = asyncio.create_task(self._forget_on(timedelta(days=self._days)), name="forgetting")

    async def cog_unload(self) -> None:
        """Stop forgetting."""
        if self._task is not None:
            self._task.cancel()

    async def _forget_on(self, kept_for: timedelta) -> None:
        while True:
            try:
                await self._conversations.forget_before(discord.utils.time_snowflake(discord.utils.utcnow() - kept_for))
            except Exception:  # what was tried in vain once is tried again
                logger.exception("What is too old could not be forgotten")
            await asyncio.sleep(min(_MOST_SECONDS_BETWEEN, kept_for.total_seconds() / 10))
