"""Messages that are meant for the bot are questions: mentions, direct messages, and others by the channel's mode."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Any

import discord
from discord.ext import commands

from bot.answering.recovery import Recovery
from bot.discord_client.incoming.burst import Bursts
from bot.discord_client.incoming.intake import QuestionIntake
from bot.discord_client.incoming.reader import QuestionReader


class MentionListener(commands.Cog):
    """Passes on every message that is meant for the bot, after the earlier ones of its channel.

    Where nobody needs to mention the bot, messages in quick succession are passed on together.

    Args:
        reader: tells which messages are meant for the bot.
        recovery: knows which earlier messages are still to be answered.
        intake: answers messages.
        pause: waits for whoever may go on to write.
    """

    def __init__(
        self,
        reader: QuestionReader,
        recovery: Recovery[discord.Message],
        intake: QuestionIntake,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._reader = reader
        self._recovery = recovery
        self._intake = intake
        self._waiting: dict[int, discord.Message] = {}  # by id, as they read now
        self._bursts = Bursts(self._take_together, recovery.wait_for_turn, pause)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer a message that is meant for the bot."""
        if not self._reader.is_meant_for_bot(message):
            return
        if self._reader.needs_no_mention(message):
            if not self._intake.has_taken(message.id):
                self._bursts.add(message)
            return
        self._waiting[message.id] = message
        await self._recovery.wait_for_turn(message.channel.id)
        await self._take(message.id)

    @commands.Cog.listener()
    async def on_raw_typing(self, payload: discord.RawTypingEvent) -> None:
        """Wait a little longer for somebody who goes on to write."""
        self._bursts.note_typing(payload.channel_id, payload.user_id)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Answer a message that was not meant for the bot, or asked nothing, before an edit."""
        message = payload.message
        if message.edited_at is None:  # Discord sends the same event when it adds the preview of a link
            return
        if not self._reader.is_meant_for_bot(message):
            self._waiting.pop(message.id, None)
            self._bursts.asks_no_more(message.id)
            return
        if self._bursts.holds(message.id):
            self._bursts.add(message)
            return
        self._waiting[message.id] = message
        await self._recovery.wait_for_turn(message.channel.id)
        if await self._intake.may_be_taken_edited(message.id):
            await self._take(message.id)
        else:
            self._waiting.pop(message.id, None)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """Answer no message that was deleted while it waited for earlier ones or gathered."""
        self._drop([payload.message_id])

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """The same, for many messages at once."""
        self._drop(payload.message_ids)

    @commands.Cog.listener()
    async def on_forget(self, author_id: int, channel_ids: Collection[int] | None, at_id: int) -> None:
        """Answer nothing of a member who has the bot forget everything, in some channels or in all."""
        self._intake.forgotten.add(author_id, channel_ids, at_id)
        waiting = [message for message in self._waiting.values() if _is_by(message, author_id, channel_ids)]
        for message in waiting:
            del self._waiting[message.id]
        gathered = [message for message in self._bursts.gathering() if _is_by(message, author_id, channel_ids)]
        self._bursts.deleted([message.id for message in gathered])
        await self._intake.pass_over([*waiting, *gathered])

    async def cog_unload(self) -> None:
        """Stop gathering."""
        self._bursts.close()

    def _drop(self, message_ids: Collection[int]) -> None:
        for message_id in message_ids:
            self._waiting.pop(message_id, None)
        self._bursts.deleted(message_ids)

    async def _take(self, message_id: int) -> None:
        if (message := self._waiting.pop(message_id, None)) is not None:
            await self._intake.take(message)

    def _take_together(self, messages: Sequence[discord.Message]) -> Coroutine[Any, Any, None]:
        # What is left of a question whose last message was deleted has been accepted with it.
        *parts, message = messages
        return self._intake.take(message, parts=parts, accepted_before=self._intake.has_taken(message.id))


def _is_by(message: discord.Message, author_id: int, channel_ids: Collection[int] | None) -> bool:
    return message.author.id == author_id and (channel_ids is None or message.channel.id in channel_ids)
