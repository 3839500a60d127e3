"""Mentions and direct messages are questions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import discord
from discord.ext import commands

from bot.answering.recovery import Recovery
from bot.discord_client.incoming.intake import QuestionIntake
from bot.discord_client.incoming.reader import QuestionReader


class MentionListener(commands.Cog):
    """Passes on every message that is meant for the bot, after the earlier ones of its channel.

    Args:
        reader: tells which messages are meant for the bot.
        recovery: knows which earlier messages are still to be answered.
        intake: answers messages.
    """

    def __init__(self, reader: QuestionReader, recovery: Recovery[discord.Message], intake: QuestionIntake) -> None:
        self._reader = reader
        self._recovery = recovery
        self._intake = intake
        self._waiting: set[int] = set()  # ids of messages

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer a message that is meant for the bot."""
        await self._take_in_turn(message, self._intake.take)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Answer a message that was not meant for the bot, or asked nothing, before an edit."""
        # Discord sends the same event when it adds the preview of a link.
        if payload.message.edited_at is not None:
            await self._take_in_turn(payload.message, self._intake.take_edited)

    async def _take_in_turn(self, message: discord.Message, take: Callable[[discord.Message], Awaitable[None]]) -> None:
        if not self._reader.is_meant_for_bot(message):
            return
        self._waiting.add(message.id)
        await self._recovery.wait_for_turn(message.channel.id)
        if message.id in self._waiting:
            self._waiting.discard(message.id)
            await take(message)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Answer no message that was deleted while it waited for earlier ones."""
        self._waiting.discard(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """The same, for many messages at once."""
        self._waiting -= payload.message_ids
