"""Shows in a channel that the bot is typing, once for all answers that are about to appear there."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import discord

from bot.discord_client.rest.pace import RequestPace
from bot.discord_client.rest.refusal import refusal_of
from bot.discord_client.rest.time_limit import request_time_limit
from bot.discord_client.rest.urgency import Action, Urgency
from bot.log_context import create_shared_task

logger = logging.getLogger(__name__)

_INTERVAL_SECONDS = 8.0  # Discord shows it for 10


class TypingIndicators:
    """Keeps the typing indicators alive.

    Args:
        pace: decides when a request starts.
    """

    def __init__(self, pace: RequestPace) -> None:
        self._pace = pace
        self._shown: Counter[int] = Counter()  # by channel, like the next two
        self._hidden: dict[int, asyncio.Event] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    @contextmanager
    def shown(self, channel: discord.abc.MessageableChannel) -> Iterator[None]:
        """Show the indicator during the block. Discord shows it up to 10 s longer, or until a message is sent."""
        self._shown[channel.id] += 1
        if channel.id not in self._tasks:
            self._hidden[channel.id] = asyncio.Event()
            self._tasks[channel.id] = create_shared_task(self._keep_shown(channel), name=f"typing in {channel.id}")
        try:
            yield
        finally:
            self._shown[channel.id] -= 1
            if not self._shown[channel.id]:
                del self._shown[channel.id]
                if channel.id in self._hidden:
                    self._hidden[channel.id].set()

    async def _keep_shown(self, channel: discord.abc.MessageableChannel) -> None:
        # It ends by itself and is not cancelled: discord.py does not survive that in the middle of a global rate limit.
        hidden = self._hidden[channel.id]
        try:
            while await self._show(channel):
                if self._shown[channel.id]:
                    hidden.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_INTERVAL_SECONDS):
                        await hidden.wait()
        finally:
            del self._tasks[channel.id], self._hidden[channel.id]

    async def _show(self, channel: discord.abc.MessageableChannel) -> bool:
        """Show it once; return whether it should be shown again."""
        async with self._pace.slot(Action.TYPING, channel.id, Urgency.TYPING) as slot:
            if not self._shown[channel.id]:
                slot.give_back()
                return False
            try:
                async with request_time_limit():
                    await channel.typing()
            except Exception as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                # The answer itself meets the same refusal, and reports it.
                logger.debug("Cannot show typing: channel=%d cause=%s", channel.id, refusal.reason)
                self._pace.failed(slot, refusal)
        return True
