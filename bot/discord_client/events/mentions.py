"""Mentions and direct messages are questions."""

from __future__ import annotations

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
        self._waiting: dict[int, discord.Message] = {}  # by id, as they read now

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer a message that is meant for the bot."""
        if self._reader.is_meant_for_bot(message):
            self._waiting[message.id] = message
            await self._recovery.wait_for_turn(message.channel.id)
            await self._take(message.id)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Answer a message that was not meant for the bot, or asked nothing, before an edit."""
        message = payload.message
        if message.edited_at is None:  # Discord sends the same event when it adds the preview of a link
            return
        if not self._reader.is_meant_for_bot(message):
            self._waiting.pop(message.id, None)
            return
        self._waiting[message.id] = message
        await self._recovery.wait_for_turn(message.channel.id)
        if await self._intake.may_be_taken_edited(message.id):
            await self._take(message.id)
        else:
            self._waiting.pop(message.id, None)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Answer no message that was deleted while it waited for earlier ones."""
        self._waiting.pop(payload.message_id, None)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """The same, for many messages at once."""
        for message_id in payload.message_ids:
            self._waiting.pop(message_id, None)

    async def _take(self, message_id: int) -> None:
        if (message := self._waiting.pop(message_id, None)) is not None:
            await self._intake.take(message)
