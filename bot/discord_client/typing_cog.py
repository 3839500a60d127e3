"""Somebody begins to type: the engine gets ready for the conversation."""

from __future__ import annotations

import asyncio

import discord
from discord.ext import commands

from bot.core.reading_ahead import ReadingAhead


class TypingCog(commands.Cog):
    """Lets the recent conversations be read ahead for as long as it is loaded, where somebody types first of all."""

    def __init__(self, reading_ahead: ReadingAhead) -> None:
        self._reading_ahead = reading_ahead
        self._task: asyncio.Task[None] | None = None

    async def cog_load(self) -> None:
        """Begin to read ahead."""
        self._task = asyncio.create_task(self._reading_ahead.run(), name="reading ahead")

    async def cog_unload(self) -> None:
        """Stop reading ahead."""
        if self._task is not None:
            self._task.cancel()

    @commands.Cog.listener()
    async def on_raw_typing(self, payload: discord.RawTypingEvent) -> None:
        """Somebody types in a channel, a thread or a direct message."""
        self._reading_ahead.expect(payload.channel_id)
